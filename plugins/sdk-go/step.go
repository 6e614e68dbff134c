// Package step makes a step type for shiro of a Go function. A step type is a WebAssembly component; this package is all
// that stands between the function and the component's interface, and uses nothing but the standard library.
//
//	type Config struct {
//		Name string `json:"name" doc:"Who to greet."`
//	}
//
//	type Output struct {
//		Greeting string `json:"greeting"`
//	}
//
//	func init() {
//		step.Register(step.Type{Name: "text.greet", Version: "0.1.0", Summary: "Makes a greeting."}, greet)
//	}
//
//	func greet(config Config) (Output, error) {
//		if config.Name == "" {
//			return Output{}, step.Permanent("nobody", "there is nobody to greet: set `name`")
//		}
//		step.Infof("greeting %s", config.Name)
//		return Output{Greeting: "Hello, " + config.Name + "!"}, nil
//	}
//
//	func main() {}
//
// `shiro plugin build` compiles it. The JSON Schemas that shiro checks configs and outputs with come from the two types:
// see [SchemaOf]. What is written to standard output and standard error goes to the step's log. An error that is no
// [*Failure], and a panic, end the attempt as a permanent failure, the panic with its stack in the log.
//
// Everything also builds natively, so that a step's logic can be tested with `go test`: there, messages go to standard
// error, [RunID] and its like tell of a made-up run, and requests, programs and shared data are refused.
package step

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime/debug"
)

// Type says what a step type is.
type Type struct {
	// Name is what users write in `type`: dotted, lower case, e.g. `slack.notify`.
	Name string
	// Version is the plugin's, best a semantic version.
	Version string
	// Summary is one sentence that says what it does.
	Summary string
	// Permissions are what it asks for; nothing to begin with.
	Permissions Permissions
	// Idempotent says that an attempt that was cut off, nobody knows where, may simply run again: what it does twice is the
	// same as done once.
	Idempotent bool
}

type description struct {
	Name         string      `json:"name"`
	Version      string      `json:"version"`
	Summary      string      `json:"summary"`
	ConfigSchema *Schema     `json:"config_schema"`
	OutputSchema *Schema     `json:"output_schema"`
	Permissions  Permissions `json:"permissions,omitzero"`
	Idempotent   bool        `json:"idempotent,omitempty"`
}

// registered is the one step type of this component.
var registered struct {
	name     string
	describe func() ([]byte, error)
	run      func(config []byte) ([]byte, error)
}

// Register makes run the step type of this component. Call it once, in an init function. C is what users write in
// `config`, O what later steps can refer to: best two structs.
func Register[C, O any](t Type, run func(config C) (O, error)) {
	registered.name = t.Name
	registered.describe = func() ([]byte, error) {
		return marshal(description{
			Name: t.Name, Version: t.Version, Summary: t.Summary,
			ConfigSchema: SchemaOf(reflect.TypeFor[C](), true), OutputSchema: SchemaOf(reflect.TypeFor[O](), false),
			Permissions: t.Permissions, Idempotent: t.Idempotent,
		})
	}
	registered.run = func(raw []byte) ([]byte, error) {
		var config C
		setDefaults(reflect.ValueOf(&config).Elem())
		if err := json.Unmarshal(raw, &config); err != nil {
			return nil, InvalidConfig("config: " + err.Error())
		}
		output, err := run(config)
		if err != nil {
			return nil, err
		}
		encoded, err := marshal(output)
		if err != nil {
			return nil, Permanent("invalid_output", "the output does not fit into JSON: "+err.Error())
		}
		return encoded, nil
	}
}

// Describe gives the description document of the registered type, as the component answers it.
func Describe() ([]byte, error) {
	if registered.describe == nil {
		return nil, fmt.Errorf("no step type: call step.Register in an init function")
	}
	return registered.describe()
}

// Run runs one attempt of the registered type, as the component does: for tests. A panic of the step becomes a failure.
func Run(config []byte) (output []byte, failure *Failure) {
	defer func() {
		if cause := recover(); cause != nil {
			Error(fmt.Sprintf("panic: %v\n%s", cause, debug.Stack()))
			output, failure = nil, qualify(Permanent(unexpected, fmt.Sprint(cause)))
		}
	}()
	if registered.run == nil {
		return nil, Permanent(unexpected, "no step type: call step.Register in an init function")
	}
	output, err := registered.run(config)
	if err != nil {
		return nil, qualify(err)
	}
	return output, nil
}

// marshal leaves <, > and & as they are: a step's output is no HTML.
func marshal(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
