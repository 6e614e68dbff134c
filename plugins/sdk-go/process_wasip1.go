package step

import (
	"time"
	"unsafe"
)

//go:wasmimport shiro:step/process@0.1.0 run
func importRun(
	program unsafe.Pointer, programLength uint32, args unsafe.Pointer, argsLength uint32, env unsafe.Pointer, envLength uint32,
	hasDir uint32, dir unsafe.Pointer, dirLength uint32, hasStdin uint32, stdin unsafe.Pointer, stdinLength uint32,
	capture uint32, hasTimeout uint32, timeout uint64, result unsafe.Pointer,
)

func hostRun(command *Command) (*Completed, error) {
	program, dir, stdin := keepString(command.Program), keepString(command.Dir), keepBytes(command.Stdin)
	args := make([]span, 1, len(command.Args)+1)[:0] // With room, so that an empty list has an address.
	for _, arg := range command.Args {
		args = append(args, keepString(arg))
	}
	env := make([][2]span, 1, len(command.Env)+1)[:0]
	for name, value := range command.Env {
		env = append(env, [2]span{keepString(name), keepString(value)})
	}
	result := newArea()
	withoutGC(func() {
		importRun(
			pointer(program), program.length, unsafe.Pointer(unsafe.SliceData(args)), uint32(len(args)),
			unsafe.Pointer(unsafe.SliceData(env)), uint32(len(env)),
			flag(command.Dir != ""), pointer(dir), dir.length, flag(command.Stdin != nil), pointer(stdin), stdin.length,
			uint32(min(command.Capture, 1<<20)), flag(command.Timeout > 0), uint64(command.Timeout.Milliseconds()), result.pointer(),
		)
	})
	kept = append(kept, args, env)
	if result.u8(0) == 0 {
		return completed(result, 8), nil
	}
	failed := &ProcessError{Kind: ProcessErrorKind(result.u8(8)), Program: command.Program}
	switch failed.Kind {
	case ProcessDenied, ProcessNotStarted, ProcessInvalid:
		failed.Detail = result.span(16).text()
	case ProcessTimedOut:
		failed.Completed = completed(result, 16)
	}
	return nil, failed
}

func pointer(s span) unsafe.Pointer { return unsafe.Pointer(uintptr(s.at)) }

func flag(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

// completed reads the record that stands at an offset.
func completed(result *area, at uintptr) *Completed {
	stream := func(at uintptr) Captured {
		return Captured{Head: result.span(at).bytes(), Tail: result.span(at + 8).bytes(), Total: result.u64(at + 16)}
	}
	done := &Completed{
		ExitCode: int(result.u8(at + 1)), Stdout: stream(at + 8), Stderr: stream(at + 32),
		Duration: time.Duration(result.u64(at+56)) * time.Millisecond,
	}
	if result.u8(at) == 1 {
		done.ExitCode, done.Signal = -1, done.ExitCode
	}
	return done
}
