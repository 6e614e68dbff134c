package step

import "time"

// Workflow is the workflow's name.
func Workflow() string { return hostWorkflow() }

// RunID is the run's id: unique everywhere, the same after a pause.
func RunID() string { return hostRunID() }

// StepID is the step's id in the workflow.
func StepID() string { return hostStepID() }

// Attempt is which attempt this is: 1 on the first.
func Attempt() uint32 { return hostAttempt() }

// IdempotencyKey is the same for every attempt of this step in this run, on any machine: pass it to services that
// deduplicate.
func IdempotencyKey() string { return hostIdempotencyKey() }

// TimeLeft is how long until the host ends this attempt; false if it has no limit.
func TimeLeft() (time.Duration, bool) { return hostTimeLeft() }
