//go:build !wasip1

package step

import (
	"fmt"
	"os"
	"time"
)

// Without a host: for tests.

func hostLog(level Level, message, fields string) {
	names := [...]string{"debug", "info", "warn", "error"}
	fmt.Fprintf(os.Stderr, "[%s] %s %s\n", names[level], message, fields)
}

func hostWorkflow() string                { return "workflow" }
func hostRunID() string                   { return "run" }
func hostStepID() string                  { return "step" }
func hostAttempt() uint32                 { return 1 }
func hostIdempotencyKey() string          { return "run/step" }
func hostTimeLeft() (time.Duration, bool) { return 0, false }

func hostRun(command *Command) (*Completed, error) {
	return nil, &ProcessError{Kind: ProcessNotStarted, Program: command.Program, Detail: "programs run only inside a component"}
}

func hostSend(_ *Request, parts urlParts) (*Response, *HTTPError) {
	return nil, &HTTPError{Kind: HTTPDenied, Origin: parts.origin(), Detail: "requests are sent only inside a component"}
}
