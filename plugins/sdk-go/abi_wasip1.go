package step

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"
)

// The canonical ABI of shiro:step/step@0.1.0, by hand: GOARCH=wasm has pointers of 8 bytes in Go's structs, so records of
// the ABI hold uint32s.

// kept keeps alive what was handed to the host, until the next call is over.
var kept []any

// A text or list as the ABI has it.
type span struct{ at, length uint32 }

func address(pointer unsafe.Pointer) uint32 { return uint32(uintptr(pointer)) }

func keepBytes(bytes []byte) span {
	if len(bytes) == 0 {
		return span{at: 1}
	}
	kept = append(kept, bytes)
	return span{address(unsafe.Pointer(unsafe.SliceData(bytes))), uint32(len(bytes))}
}

func keepString(text string) span { return keepBytes([]byte(text)) }

// bytes copies what the host wrote into this memory.
func (s span) bytes() []byte {
	if s.length == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(uintptr(s.at))), s.length)...)
}

func (s span) text() string { return string(s.bytes()) }

// area is memory for the host to write a result into, aligned as any result may need.
type area [16]uint64

func newArea() *area { return new(area) }

func (a *area) pointer() unsafe.Pointer { return unsafe.Pointer(a) }

func (a *area) u8(at uintptr) uint8   { return *(*uint8)(unsafe.Add(a.pointer(), at)) }
func (a *area) u32(at uintptr) uint32 { return *(*uint32)(unsafe.Add(a.pointer(), at)) }
func (a *area) u64(at uintptr) uint64 { return *(*uint64)(unsafe.Add(a.pointer(), at)) }
func (a *area) span(at uintptr) span  { return span{a.u32(at), a.u32(at + 4)} }

// The garbage collector calls imports, which nobody may while the host has memory allocated here: so it rests whenever that
// may happen, which is before a call of an export, and within a call of an import that returns texts or lists.

func init() { debug.SetGCPercent(-1) }

const gcPercent = 100

// withoutGC calls an import that may allocate.
func withoutGC(call func()) {
	debug.SetGCPercent(-1)
	defer debug.SetGCPercent(gcPercent)
	call()
}

// early is memory for the preview1 adapter, which asks for two pages while Go's runtime is starting and can't allocate. It
// can't have pages of its own: Go takes all memory behind its own for its own.
var early struct {
	memory [3 << 16]byte
	used   uint32
	over   bool
}

func init() { early.over = true }

//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func clockPaused(paused bool)

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(uintptr(align))
	}
	if !early.over {
		start := uintptr(unsafe.Pointer(&early.memory))
		place := (start + uintptr(early.used+align-1)) &^ uintptr(align-1)
		early.used = uint32(place-start) + size
		return unsafe.Pointer(place)
	}
	// Nor may the allocator read the clock.
	clockPaused(true)
	words := make([]uint64, (size+7)/8)
	kept = append(kept, words)
	clockPaused(false)
	fresh := unsafe.Pointer(unsafe.SliceData(words))
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(fresh), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return fresh
}

var described struct{ document span }

//go:wasmexport shiro:step/step@0.1.0#describe
func exportDescribe() unsafe.Pointer {
	document, err := Describe()
	if err != nil {
		panic(err)
	}
	described.document = keepBytes(document)
	return unsafe.Pointer(&described)
}

//go:wasmexport cabi_post_shiro:step/step@0.1.0#describe
func postDescribe(unsafe.Pointer) { kept = nil }

// answer is result<string, failure>.
var answer struct {
	isError    uint8
	_          [7]byte
	kind       uint8 // Of a failure: what stands at the same place for an output is output.
	_          [3]byte
	code       span
	message    span
	_          [4]byte
	hasRetry   uint8
	_          [7]byte
	retryAfter uint64
	hasOutput  uint8
	_          [3]byte
	output     span
	_          [4]byte
}

//go:wasmexport shiro:step/step@0.1.0#run
func exportRun(config unsafe.Pointer, length uint32) unsafe.Pointer {
	input := span{address(config), length}.bytes()
	debug.SetGCPercent(gcPercent)
	output, failure := Run(input)
	debug.SetGCPercent(-1)
	result := unsafe.Pointer(&answer)
	if failure == nil {
		answer.isError = 0
		*(*span)(unsafe.Add(result, 8)) = keepBytes(output)
		return result
	}
	answer.isError, answer.kind = 1, uint8(failure.Kind)
	answer.code, answer.message = keepString(failure.Code), keepString(failure.Message)
	if failure.RetryAfter > 0 {
		answer.hasRetry, answer.retryAfter = 1, uint64(failure.RetryAfter.Milliseconds())
	}
	if shown, err := marshal(failure.Output); err == nil && failure.Output != nil && json.Valid(shown) {
		answer.hasOutput, answer.output = 1, keepBytes(shown)
	}
	return result
}

//go:wasmexport cabi_post_shiro:step/step@0.1.0#run
func postRun(unsafe.Pointer) { kept = nil }

//go:wasmimport shiro:step/log@0.1.0 log
func importLog(level uint32, message unsafe.Pointer, messageLength uint32, fields unsafe.Pointer, fieldsLength uint32)

func hostLog(level Level, message, fields string) {
	importLog(uint32(level), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)),
		unsafe.Pointer(unsafe.StringData(fields)), uint32(len(fields)))
	runtime.KeepAlive(message)
	runtime.KeepAlive(fields)
}

//go:wasmimport shiro:step/context@0.1.0 workflow
func importWorkflow(result unsafe.Pointer)

//go:wasmimport shiro:step/context@0.1.0 run-id
func importRunID(result unsafe.Pointer)

//go:wasmimport shiro:step/context@0.1.0 step-id
func importStepID(result unsafe.Pointer)

//go:wasmimport shiro:step/context@0.1.0 idempotency-key
func importIdempotencyKey(result unsafe.Pointer)

//go:wasmimport shiro:step/context@0.1.0 attempt
func importAttempt() uint32

//go:wasmimport shiro:step/context@0.1.0 time-left-ms
func importTimeLeft(result unsafe.Pointer)

func text(get func(unsafe.Pointer)) string {
	result := newArea()
	withoutGC(func() { get(result.pointer()) })
	return result.span(0).text()
}

func hostWorkflow() string       { return text(importWorkflow) }
func hostRunID() string          { return text(importRunID) }
func hostStepID() string         { return text(importStepID) }
func hostIdempotencyKey() string { return text(importIdempotencyKey) }
func hostAttempt() uint32        { return importAttempt() }

func hostTimeLeft() (time.Duration, bool) {
	result := newArea()
	importTimeLeft(result.pointer())
	return time.Duration(result.u64(8)) * time.Millisecond, result.u8(0) != 0
}
