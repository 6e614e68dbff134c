package step

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport wasi:http/types@0.2.12 [constructor]fields
func newFields() uint32

//go:wasmimport wasi:http/types@0.2.12 [method]fields.append
func fieldsAppend(fields uint32, name unsafe.Pointer, nameLength uint32, value unsafe.Pointer, valueLength uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]fields.entries
func fieldsEntries(fields uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [constructor]outgoing-request
func newRequest(fields uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-method
func setMethod(request, method uint32, other unsafe.Pointer, otherLength uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-scheme
func setScheme(request, some, scheme uint32, other unsafe.Pointer, otherLength uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-authority
func setAuthority(request, some uint32, authority unsafe.Pointer, length uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-path-with-query
func setPath(request, some uint32, path unsafe.Pointer, length uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.body
func requestBody(request uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-body.write
func bodyWrite(body uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [static]outgoing-body.finish
func bodyFinish(body, some, trailers uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [constructor]request-options
func newOptions() uint32

//go:wasmimport wasi:http/types@0.2.12 [method]request-options.set-connect-timeout
func setConnectTimeout(options, some uint32, nanoseconds uint64) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]request-options.set-first-byte-timeout
func setFirstByteTimeout(options, some uint32, nanoseconds uint64) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]request-options.set-between-bytes-timeout
func setBetweenBytesTimeout(options, some uint32, nanoseconds uint64) uint32

//go:wasmimport wasi:http/outgoing-handler@0.2.12 handle
func handle(request, some, options uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]future-incoming-response.subscribe
func futureSubscribe(future uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]future-incoming-response.get
func futureGet(future uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.status
func responseStatus(response uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.headers
func responseHeaders(response uint32) uint32

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.consume
func responseConsume(response uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 [method]incoming-body.stream
func bodyStream(body uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.12 http-error-code
func httpErrorCode(err uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]input-stream.read
func streamRead(stream uint32, length uint64, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]input-stream.subscribe
func inputSubscribe(stream uint32) uint32

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.check-write
func streamCheckWrite(stream uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.write
func streamWrite(stream uint32, bytes unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.flush
func streamFlush(stream uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.subscribe
func outputSubscribe(stream uint32) uint32

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]output-stream
func dropOutput(stream uint32)

//go:wasmimport wasi:io/poll@0.2.12 poll
func poll(list unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport wasi:io/poll@0.2.12 [resource-drop]pollable
func dropPollable(pollable uint32)

//go:wasmimport wasi:clocks/monotonic-clock@0.2.12 subscribe-duration
func subscribeDuration(nanoseconds uint64) uint32

// exchange is one request on its way. What it holds of the host is not dropped: the instance ends with the attempt.
type exchange struct {
	request *Request
	origin  string
	end     time.Time
}

func hostSend(request *Request, parts urlParts) (*Response, *HTTPError) {
	e := &exchange{request, parts.origin(), time.Now().Add(request.Timeout)}
	outgoing, failed := e.outgoing(parts)
	if failed != nil {
		return nil, failed
	}
	result := newArea()
	requestBody(outgoing, result.pointer())
	body := result.u32(4)
	options := e.options()
	withoutGC(func() { handle(outgoing, 1, options, result.pointer()) })
	if result.u8(0) != 0 {
		return nil, e.code(result, 8)
	}
	future := result.u32(8)
	if failed := e.write(body); failed != nil {
		return nil, failed
	}
	response, failed := e.answer(future)
	if failed != nil {
		return nil, failed
	}
	return e.read(response)
}

func (e *exchange) fail(kind HTTPErrorKind, detail string) *HTTPError {
	return &HTTPError{kind, e.origin, detail}
}

func (e *exchange) outgoing(parts urlParts) (uint32, *HTTPError) {
	fields, result := newFields(), newArea()
	headers := e.request.Header
	if len(e.request.Body) > 0 {
		headers = append(headers[:len(headers):len(headers)], Header{"content-length", strconv.Itoa(len(e.request.Body))})
	}
	for _, header := range headers {
		name, value := keepString(header.Name), keepString(header.Value)
		fieldsAppend(fields, pointer(name), name.length, pointer(value), value.length, result.pointer())
		if result.u8(0) != 0 {
			return 0, e.fail(HTTPInvalidRequest, "a header's name or value is not valid or not allowed")
		}
	}
	outgoing := newRequest(fields)
	methods := [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", ""}
	method, other := uint32(len(methods)-1), keepString(e.request.Method)
	for index, name := range methods[:len(methods)-1] {
		if strings.EqualFold(name, e.request.Method) {
			method = uint32(index)
		}
	}
	authority, path := keepString(parts.authority), keepString(parts.path)
	switch {
	case setMethod(outgoing, method, pointer(other), other.length) != 0:
		return 0, e.fail(HTTPInvalidRequest, "the method is not valid")
	case setScheme(outgoing, 1, flag(parts.https), nil, 0) != 0:
		return 0, e.fail(HTTPInvalidRequest, "the URL's scheme is not valid")
	case setAuthority(outgoing, 1, pointer(authority), authority.length) != 0:
		return 0, e.fail(HTTPInvalidRequest, "the URL's host is not valid")
	case setPath(outgoing, 1, pointer(path), path.length) != 0:
		return 0, e.fail(HTTPInvalidRequest, "the URL's path is not valid")
	}
	return outgoing, nil
}

// options are limits that a host need not know: the deadline holds all the same.
func (e *exchange) options() uint32 {
	options, limit := newOptions(), uint64(e.request.Timeout.Nanoseconds())
	setConnectTimeout(options, 1, limit)
	setFirstByteTimeout(options, 1, limit)
	setBetweenBytesTimeout(options, 1, limit)
	return options
}

// wait waits until something is ready, and ends it.
func (e *exchange) wait(ready uint32) *HTTPError {
	left := max(time.Until(e.end), 0)
	list, result := [2]uint32{ready, subscribeDuration(uint64(left.Nanoseconds()))}, newArea()
	kept = append(kept, &list)
	withoutGC(func() { poll(unsafe.Pointer(&list), 2, result.pointer()) })
	dropPollable(list[0])
	dropPollable(list[1])
	for _, index := range unsafe.Slice((*uint32)(unsafe.Pointer(uintptr(result.u32(0)))), result.u32(4)) {
		if index == 0 {
			return nil
		}
	}
	return e.fail(HTTPTimeout, fmt.Sprintf("not done after %v", e.request.Timeout))
}

// write writes the body. A host that stopped reading has an answer, or a reason: that is what counts then.
func (e *exchange) write(body uint32) *HTTPError {
	result := newArea()
	if rest := e.request.Body; len(rest) > 0 {
		bodyWrite(body, result.pointer())
		stream := result.u32(4)
		for len(rest) > 0 {
			if failed := e.wait(outputSubscribe(stream)); failed != nil {
				return failed
			}
			streamCheckWrite(stream, result.pointer())
			if result.u8(0) != 0 {
				return nil
			}
			now := min(uint64(len(rest)), result.u64(8))
			if now == 0 {
				continue
			}
			streamWrite(stream, unsafe.Pointer(unsafe.SliceData(rest)), uint32(now), result.pointer())
			if result.u8(0) != 0 {
				return nil
			}
			rest = rest[now:]
		}
		streamFlush(stream, result.pointer())
		if result.u8(0) == 0 {
			if failed := e.wait(outputSubscribe(stream)); failed != nil {
				return failed
			}
		}
		dropOutput(stream)
	}
	withoutGC(func() { bodyFinish(body, 0, 0, result.pointer()) })
	return nil
}

func (e *exchange) answer(future uint32) (uint32, *HTTPError) {
	for {
		if failed := e.wait(futureSubscribe(future)); failed != nil {
			return 0, failed
		}
		result := newArea()
		withoutGC(func() { futureGet(future, result.pointer()) })
		switch {
		case result.u8(0) == 0:
			continue
		case result.u8(8) != 0:
			return 0, e.fail(HTTPBadResponse, "the response was taken already")
		case result.u8(16) != 0:
			return 0, e.code(result, 24)
		}
		return result.u32(24), nil
	}
}

// code is the error whose `error-code` stands at an offset.
func (e *exchange) code(result *area, at uintptr) *HTTPError {
	known := httpCodes[min(int(result.u8(at)), len(httpCodes)-1)]
	detail := known.detail
	const dnsError, tlsAlert, internalError = 1, 14, 38
	payload := at + 8
	switch result.u8(at) {
	case tlsAlert:
		payload += 4 // After the alert's number.
		fallthrough
	case dnsError, internalError:
		if result.u8(payload) != 0 {
			detail = result.span(payload + 4).text()
		}
	}
	return e.fail(known.kind, detail)
}

func (e *exchange) read(incoming uint32) (*Response, *HTTPError) {
	response := &Response{Status: int(responseStatus(incoming))}
	result := newArea()
	withoutGC(func() { fieldsEntries(responseHeaders(incoming), result.pointer()) })
	entries := unsafe.Slice((*[2]span)(unsafe.Pointer(uintptr(result.u32(0)))), result.u32(4))
	for _, entry := range entries {
		response.Header = append(response.Header, Header{entry[0].text(), entry[1].text()})
	}
	responseConsume(incoming, result.pointer())
	body := result.u32(4)
	bodyStream(body, result.pointer())
	stream := result.u32(4)
	for {
		withoutGC(func() { streamRead(stream, 64<<10, result.pointer()) })
		if result.u8(0) != 0 {
			const closed = 1
			if result.u8(4) == closed {
				return response, nil
			}
			return nil, e.broken(result.u32(8))
		}
		chunk := result.span(4).bytes()
		response.Body = append(response.Body, chunk...)
		if len(response.Body) > e.request.MaxBody {
			return nil, e.fail(HTTPTooLarge, fmt.Sprintf("more than %d bytes", e.request.MaxBody))
		}
		if len(chunk) == 0 {
			if failed := e.wait(inputSubscribe(stream)); failed != nil {
				return nil, failed
			}
		}
	}
}

func (e *exchange) broken(err uint32) *HTTPError {
	result := newArea()
	withoutGC(func() { httpErrorCode(err, result.pointer()) })
	if result.u8(0) == 0 {
		return e.fail(HTTPBadResponse, "it broke off")
	}
	return e.code(result, 8)
}
