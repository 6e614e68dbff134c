// example.check: checks that a URL answers with the expected status.
package main

import (
	"fmt"

	"shiro/step"
)

// Config is what users write in `config`.
type Config struct {
	URL          string `json:"url" doc:"The URL to ask."`
	ExpectStatus int    `json:"expect_status" default:"200" minimum:"100" maximum:"599" doc:"The status that it has to answer with."`
	Label        string `json:"label" default:"" doc:"What to call it in the log."`
}

// Output is what later steps can refer to.
type Output struct {
	Status int  `json:"status" minimum:"100" maximum:"599" doc:"The status that it answered with."`
	OK     bool `json:"ok" doc:"Whether that is the expected one."`
}

func init() {
	step.Register(step.Type{
		Name:        "example.check",
		Version:     "0.1.0",
		Summary:     "Checks that a URL answers with the expected status.",
		Permissions: step.Permissions{Network: []step.Network{{URL: "{config.url}"}}},
	}, check)
}

func check(config Config) (Output, error) {
	name := config.Label
	if name == "" {
		name = "the URL"
	}
	step.Infof("checking %s", name)
	response, err := step.Get(config.URL)
	if err != nil {
		return Output{}, err
	}
	return judge(response.Status, config.ExpectStatus)
}

func judge(status, expected int) (Output, error) {
	output := Output{Status: status, OK: status == expected}
	if !output.OK {
		failure := step.Transient("unexpected_status", fmt.Sprintf("expected status %d, got %d", expected, status))
		failure.Output = output
		return Output{}, failure
	}
	return output, nil
}

func main() {}
