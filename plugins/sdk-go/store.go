package step

import (
	"encoding/json"
	"fmt"
	"time"
)

// Scope says how far a value of the workflow's shared data reaches.
type Scope string

const (
	// ScopeRun is one run.
	ScopeRun Scope = "run"
	// ScopePipeline is all runs of one CI pipeline.
	ScopePipeline Scope = "pipeline"
	// ScopeBranch is all runs for one branch or tag.
	ScopeBranch Scope = "branch"
	// ScopeProject is all runs of the project.
	ScopeProject Scope = "project"
)

// StoreErrorKind is why something was not done with shared data.
type StoreErrorKind uint8

// In the order of the interface's cases.
const (
	// StoreDenied: not granted.
	StoreDenied StoreErrorKind = iota
	// StoreInvalid: the scope, the key or the value can't be used.
	StoreInvalid
	// StoreLimit: the value is too large, the scope is full, or the attempt has stored as much as it may.
	StoreLimit
	// StoreUnreadable: what is stored can't be read. Never to be taken for "nothing is there".
	StoreUnreadable
	// StoreFailed: it could not be carried out; what was there before is there still.
	StoreFailed
	// StoreOther: what a later host has a word for.
	StoreOther
)

// StoreError is why something was not done with shared data.
type StoreError struct {
	// Kind is what kind of thing went wrong.
	Kind StoreErrorKind
	// Code is the later host's word, of a [StoreOther].
	Code string
	// Message is a sentence that says what happened, and what would help.
	Message string
}

// Error gives the message.
func (e *StoreError) Error() string { return e.Message }

// Failure is the failure that the step ends with if it returns this error.
func (e *StoreError) Failure() *Failure {
	codes := [...]string{"denied", "store_invalid", "store_limit", "store_unreadable", "store_failed"}
	switch {
	case int(e.Kind) >= len(codes):
		return Permanent(e.Code, e.Message)
	case e.Kind == StoreFailed:
		return Transient(codes[e.Kind], e.Message)
	default:
		return Permanent(codes[e.Kind], e.Message)
	}
}

// Load reads the value of a key into what value points to. False if there is none, or none any more. Needs a [Keys]
// permission. Errors of the host are a [*StoreError].
func Load(scope Scope, key string, value any) (bool, error) {
	text, found, err := hostLoad(scope, key)
	if err != nil || !found {
		return false, asError(err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		return false, Permanent("store_unexpected", fmt.Sprintf("what is stored for `%s` is not what it should be: %s", key, err))
	}
	return true, nil
}

// Exists says whether a key has a value.
func Exists(scope Scope, key string) (bool, error) {
	exists, err := hostExists(scope, key)
	return exists, asError(err)
}

// Store stores a value that JSON can hold, in place of one that is there. It is durable when this returns.
func Store(scope Scope, key string, value any) error { return StoreFor(scope, key, value, 0) }

// StoreFor stores a value for a time, by the wall clock: then it is gone. 0 is for ever.
func StoreFor(scope Scope, key string, value any, ttl time.Duration) error {
	text, err := marshal(value)
	if err != nil {
		return &StoreError{Kind: StoreInvalid, Message: "the value is not JSON: " + err.Error()}
	}
	return asError(hostStore(scope, key, text, ttl))
}

// Delete deletes a value. False if there was none.
func Delete(scope Scope, key string) (bool, error) {
	deleted, err := hostDelete(scope, key)
	return deleted, asError(err)
}

// List gives the keys that begin with this text (all with an empty one) and have a value, sorted. All that begin so have to
// be granted: deploy/* for deploy/.
func List(scope Scope, prefix string) ([]string, error) {
	keys, err := hostList(scope, prefix)
	return keys, asError(err)
}

// ExpiresAt is when a key's value is gone, or went, if that is still known; false if it stays, or if there is none.
func ExpiresAt(scope Scope, key string) (time.Time, bool, error) {
	at, known, err := hostExpiresAt(scope, key)
	return time.UnixMilli(int64(at)), known, asError(err)
}

// asError keeps a nil pointer from becoming an error that is not nil.
func asError(err *StoreError) error {
	if err == nil {
		return nil
	}
	return err
}
