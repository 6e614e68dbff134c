package step

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultCapture is how many bytes of each stream are kept unless the command says otherwise.
const DefaultCapture = 256 * 1024

// Command is a program to run. Needs a [Process] permission.
type Command struct {
	// Program is a name to look for on PATH, or a path with a slash in it.
	Program string
	// Args are its arguments, without the program's name.
	Args []string
	// Env are variables for it, on top of what the grant lets it inherit.
	Env map[string]string
	// Dir is where it runs: relative to the project's directory, which is the default.
	Dir string
	// Stdin is what it reads; nil for nothing.
	Stdin []byte
	// Capture is how many bytes of each stream to keep: the first and the last half each. 0 means [DefaultCapture], a
	// negative number none; the host keeps 1 MiB at most.
	Capture int
	// Timeout ends it after this time; 0 for the step's own limit only.
	Timeout time.Duration
}

// Completed is a program that ran.
type Completed struct {
	// ExitCode is its exit code; -1 if a signal ended it.
	ExitCode int
	// Signal is the signal that ended it; 0 if none did.
	Signal int
	// Stdout and Stderr are what it wrote.
	Stdout, Stderr Captured
	// Duration is how long it ran.
	Duration time.Duration
}

// Success says that it ended by itself, with code 0.
func (c *Completed) Success() bool { return c.ExitCode == 0 && c.Signal == 0 }

// Captured is a stream as far as it was kept.
type Captured struct {
	// Head are the first bytes: all of them if nothing was left out.
	Head []byte
	// Tail are the last bytes, when Head is not all.
	Tail []byte
	// Total is how many bytes the program wrote.
	Total uint64
}

// Text is head and tail as text, with a line between them that says what was left out.
func (c *Captured) Text() string {
	if c.Total <= uint64(len(c.Head)+len(c.Tail)) {
		return strings.ToValidUTF8(string(c.Head)+string(c.Tail), "\ufffd")
	}
	head, tail := c.Head, c.Tail
	for i := 0; i < 3 && len(head) > 0 && !utf8.Valid(head); i++ {
		head = head[:len(head)-1]
	}
	for i := 0; i < 3 && len(tail) > 0 && !utf8.RuneStart(tail[0]); i++ {
		tail = tail[1:]
	}
	omitted := c.Total - uint64(len(head)+len(tail))
	text := fmt.Sprintf("%s\n[... %d bytes left out ...]\n%s", head, omitted, tail)
	return strings.ToValidUTF8(text, "\ufffd")
}

// ProcessErrorKind is why there is no exit code.
type ProcessErrorKind uint8

// In the order of the interface's cases.
const (
	// ProcessDenied: not granted.
	ProcessDenied ProcessErrorKind = iota
	// ProcessNotFound: there is no such program on PATH, or no such file.
	ProcessNotFound
	// ProcessNotStarted: it could not be started.
	ProcessNotStarted
	// ProcessTimedOut: its time was over; it is gone.
	ProcessTimedOut
	// ProcessInvalid: something in the command can't be used.
	ProcessInvalid
)

// ProcessError is why a program has no exit code.
type ProcessError struct {
	// Kind is what kind of thing went wrong.
	Kind ProcessErrorKind
	// Program is what was to run.
	Program string
	// Detail is what would allow it, or the system's reason.
	Detail string
	// Completed is what a program left that timed out.
	Completed *Completed
}

// Error says what happened.
func (e *ProcessError) Error() string {
	switch e.Kind {
	case ProcessDenied:
		return fmt.Sprintf("running `%s` was denied: %s", e.Program, e.Detail)
	case ProcessNotFound:
		if strings.Contains(e.Program, "/") {
			return fmt.Sprintf("there is no program at `%s`", e.Program)
		}
		return fmt.Sprintf("there is no program `%s` on PATH", e.Program)
	case ProcessNotStarted:
		return fmt.Sprintf("`%s` could not be started: %s", e.Program, e.Detail)
	case ProcessTimedOut:
		return fmt.Sprintf("`%s` did not end within %.1fs and was stopped", e.Program, e.Completed.Duration.Seconds())
	default:
		return fmt.Sprintf("`%s` can't be run like this: %s", e.Program, e.Detail)
	}
}

// Failure is the failure that the step ends with if it returns this error.
func (e *ProcessError) Failure() *Failure {
	codes := [...]string{"denied", "not_found", "not_started", "timeout", "invalid_command"}
	if e.Kind == ProcessTimedOut {
		return Transient(codes[e.Kind], e.Error())
	}
	return Permanent(codes[e.Kind], e.Error())
}

// Run runs it and waits for its end. A program that says no is no error: see [Completed.ExitCode]. Errors are a
// [*ProcessError].
func (c Command) Run() (*Completed, error) {
	switch {
	case c.Capture == 0:
		c.Capture = DefaultCapture
	case c.Capture < 0:
		c.Capture = 0
	}
	done, err := hostRun(&c)
	if err != nil {
		return nil, err
	}
	return done, nil
}
