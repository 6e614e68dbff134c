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

func noStore() *StoreError {
	return &StoreError{Kind: StoreFailed, Message: "shared data is there only inside a component"}
}

func hostLoad(Scope, string) ([]byte, bool, *StoreError)         { return nil, false, noStore() }
func hostExists(Scope, string) (bool, *StoreError)               { return false, noStore() }
func hostStore(Scope, string, []byte, time.Duration) *StoreError { return noStore() }
func hostDelete(Scope, string) (bool, *StoreError)               { return false, noStore() }
func hostList(Scope, string) ([]string, *StoreError)             { return nil, noStore() }
func hostExpiresAt(Scope, string) (uint64, bool, *StoreError)    { return 0, false, noStore() }
