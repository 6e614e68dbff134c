package main

import (
	"encoding/json"
	"testing"

	"shiro/step"
)

func TestOpensOnTheNextDay(t *testing.T) {
	for at, expected := range map[string]string{
		"2026-11-23T10:00:00Z": "", // Monday, 11:00 in Berlin
		"2026-11-23T15:30:00Z": "2026-11-24T09:00:00+01:00",
		"2026-11-26T20:00:00Z": "2026-11-30T09:00:00+01:00", // over the weekend
		"2026-11-24T06:00:00Z": "2026-11-24T09:00:00+01:00",
	} {
		config, _ := json.Marshal(map[string]string{"timezone": "Europe/Berlin", "at": at})
		_, failure := step.Run(config)
		switch {
		case expected == "" && failure != nil:
			t.Errorf("%s: %v", at, failure)
		case expected != "" && (failure == nil || failure.Output.(Output).NextOpen != expected):
			t.Errorf("%s: expected %s, got %+v", at, expected, failure)
		}
	}
}

func TestRefusesWhatCanNeverBeOpen(t *testing.T) {
	for _, config := range []string{`{"from":"16:00","to":"09:00"}`, `{"days":["monday"]}`, `{"timezone":"Mars/Base"}`} {
		if _, failure := step.Run([]byte(config)); failure == nil || failure.Kind != step.KindInvalidConfig {
			t.Errorf("%s: %+v", config, failure)
		}
	}
}
