// deploy.window: says whether now is a time to deploy.
package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // A step sees no files of the machine.

	"shiro/step"
)

// Config is what users write in `config`.
type Config struct {
	Timezone string   `json:"timezone" default:"UTC" doc:"A name of the time zone database, e.g. Europe/Berlin."`
	Days     []string `json:"days" default:"[\"mon\",\"tue\",\"wed\",\"thu\"]" doc:"The days on which it is open: mon to sun."`
	From     string   `json:"from" default:"09:00" doc:"When it opens."`
	To       string   `json:"to" default:"16:00" doc:"When it closes."`
	At       string   `json:"at,omitempty" doc:"A time to ask for in place of now, e.g. 2026-11-23T10:00:00Z."`
}

// Output is what later steps can refer to.
type Output struct {
	Open     bool   `json:"open" doc:"Whether it is open."`
	Local    string `json:"local" doc:"The time in its zone."`
	NextOpen string `json:"next_open" doc:"When it opens next; the same as local while it is open."`
}

func init() {
	step.Register(step.Type{
		Name:    "deploy.window",
		Version: "1.0.0",
		Summary: "Says whether now is a time to deploy, and fails if it is not.",
	}, run)
}

func run(config Config) (Output, error) {
	w, err := parse(config)
	if err != nil {
		return Output{}, step.InvalidConfig(err.Error())
	}
	now := time.Now()
	if config.At != "" {
		if now, err = time.Parse(time.RFC3339, config.At); err != nil {
			return Output{}, step.InvalidConfig("at: " + err.Error())
		}
	}
	now = now.In(w.zone)
	next := w.next(now)
	output := Output{next.Equal(now), now.Format(time.RFC3339), next.Format(time.RFC3339)}
	step.Infof("it is %s", now.Format("Monday 15:04 MST"))
	if !output.Open {
		message := fmt.Sprintf("not a time to deploy: it opens %s", next.Format("Monday 2 January 15:04 MST"))
		failure := step.Permanent("closed", message)
		failure.Output = output
		return Output{}, failure
	}
	return output, nil
}

// window is when it is open: minutes of the day, and days.
type window struct {
	zone     *time.Location
	days     []time.Weekday
	from, to int
}

func parse(config Config) (window, error) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	zone, err := time.LoadLocation(config.Timezone)
	if err != nil {
		return window{}, fmt.Errorf("timezone: %w", err)
	}
	w := window{zone: zone}
	for _, name := range config.Days {
		day := slices.Index(names, strings.ToLower(name))
		if day < 0 {
			return window{}, fmt.Errorf("days: %q is none of %s", name, strings.Join(names, ", "))
		}
		w.days = append(w.days, time.Weekday(day))
	}
	if w.from, err = minutes(config.From); err != nil {
		return window{}, fmt.Errorf("from: %w", err)
	}
	if w.to, err = minutes(config.To); err != nil {
		return window{}, fmt.Errorf("to: %w", err)
	}
	if w.from >= w.to || len(w.days) == 0 {
		return window{}, fmt.Errorf("it would never be open: `from` must be before `to`, and `days` not empty")
	}
	return w, nil
}

func minutes(text string) (int, error) {
	clock, err := time.Parse("15:04", text)
	return clock.Hour()*60 + clock.Minute(), err
}

// next is the first moment from now on at which it is open.
func (w window) next(now time.Time) time.Time {
	for days := range 8 {
		midnight := time.Date(now.Year(), now.Month(), now.Day()+days, 0, 0, 0, 0, w.zone)
		opens := time.Date(midnight.Year(), midnight.Month(), midnight.Day(), w.from/60, w.from%60, 0, 0, w.zone)
		closes := time.Date(midnight.Year(), midnight.Month(), midnight.Day(), w.to/60, w.to%60, 0, 0, w.zone)
		switch {
		case !slices.Contains(w.days, midnight.Weekday()) || !now.Before(closes):
			continue
		case now.Before(opens):
			return opens
		default:
			return now
		}
	}
	return now // Not reached: a week has every day.
}

func main() {}
