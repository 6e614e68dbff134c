package step

import (
	"errors"
	"strings"
	"time"
)

// Kind says whether another attempt makes sense.
type Kind uint8

const (
	// KindInvalidConfig is a wrong config. Never retried.
	KindInvalidConfig Kind = iota
	// KindPermanent is what trying again cannot help. Never retried.
	KindPermanent
	// KindTransient may succeed on another attempt: retried as the step's `retry` says.
	KindTransient
)

// unexpected is the code of errors that nobody gave a code.
const unexpected = "unexpected"

// Failure is a step's "no".
type Failure struct {
	// Kind says whether another attempt makes sense.
	Kind Kind
	// Code is for machines: lower case, e.g. `channel_not_found`. The part of the step's name before its first dot goes in
	// front of a code that has none.
	Code string
	// Message is for people: one sentence that says what happened and what to do; more lines only for details.
	Message string
	// RetryAfter is how long to wait at least before another attempt (a service's Retry-After); 0 for no wish.
	RetryAfter time.Duration
	// Output is what there is to show all the same, for steps that run after a failure: best of the type that a success
	// would have.
	Output any
}

// Error gives the message.
func (f *Failure) Error() string { return f.Message }

// InvalidConfig says that the config is wrong: never retried.
func InvalidConfig(message string) *Failure {
	return &Failure{Kind: KindInvalidConfig, Code: "invalid_config", Message: message}
}

// Permanent says that trying again cannot help: never retried.
func Permanent(code, message string) *Failure {
	return &Failure{Kind: KindPermanent, Code: code, Message: message}
}

// Transient says that another attempt may succeed: retried as the step's `retry` says.
func Transient(code, message string) *Failure {
	return &Failure{Kind: KindTransient, Code: code, Message: message}
}

// asFailure is what errors of this package are that have a kind and a code of their own.
type asFailure interface{ Failure() *Failure }

// qualify makes a failure of any error, with the step type in front of its code.
func qualify(err error) *Failure {
	var failure Failure
	var own *Failure
	var other asFailure
	switch {
	case errors.As(err, &own):
		failure = *own
	case errors.As(err, &other):
		failure = *other.Failure()
	default:
		failure = *Permanent(unexpected, err.Error())
	}
	if !strings.Contains(failure.Code, ".") {
		prefix, _, _ := strings.Cut(registered.name, ".")
		failure.Code = prefix + "." + failure.Code
	}
	return &failure
}
