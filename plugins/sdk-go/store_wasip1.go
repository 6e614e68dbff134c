package step

import (
	"time"
	"unsafe"
)

//go:wasmimport shiro:step/store@0.1.0 get
func importGet(scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

//go:wasmimport shiro:step/store@0.1.0 exists
func importExists(scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

//go:wasmimport shiro:step/store@0.1.0 set
func importSet(
	scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, value unsafe.Pointer, valueLength uint32,
	hasTTL uint32, ttl uint64, result unsafe.Pointer,
)

//go:wasmimport shiro:step/store@0.1.0 delete
func importDelete(scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

//go:wasmimport shiro:step/store@0.1.0 list
func importList(scope unsafe.Pointer, scopeLength uint32, prefix unsafe.Pointer, prefixLength uint32, result unsafe.Pointer)

//go:wasmimport shiro:step/store@0.1.0 expires-at-ms
func importExpiresAt(scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

type storeCall func(scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer)

// callStore calls an import with a scope and a key. What it gives, or why it doesn't, stands at an offset of the result.
func callStore(call storeCall, scope Scope, key string, at uintptr) (*area, *StoreError) {
	inScope, inKey, result := keepString(string(scope)), keepString(key), newArea()
	withoutGC(func() { call(pointer(inScope), inScope.length, pointer(inKey), inKey.length, result.pointer()) })
	return result, storeError(result, at)
}

// storeError reads a result's error, if it is one. All its cases are texts; the last one has two.
func storeError(result *area, at uintptr) *StoreError {
	if result.u8(0) == 0 {
		return nil
	}
	err := &StoreError{Kind: StoreErrorKind(result.u8(at)), Message: result.span(at + 4).text()}
	if err.Kind == StoreOther {
		err.Code, err.Message = err.Message, result.span(at+12).text()
	}
	return err
}

func hostLoad(scope Scope, key string) ([]byte, bool, *StoreError) {
	result, err := callStore(importGet, scope, key, 4)
	if err != nil || result.u8(4) == 0 {
		return nil, false, err
	}
	return result.span(8).bytes(), true, nil
}

func hostExists(scope Scope, key string) (bool, *StoreError) {
	result, err := callStore(importExists, scope, key, 4)
	return err == nil && result.u8(4) != 0, err
}

func hostStore(scope Scope, key string, value []byte, ttl time.Duration) *StoreError {
	set := func(scope unsafe.Pointer, scopeLength uint32, key unsafe.Pointer, keyLength uint32, result unsafe.Pointer) {
		text := keepBytes(value)
		importSet(scope, scopeLength, key, keyLength, pointer(text), text.length, flag(ttl > 0), uint64(ttl.Milliseconds()), result)
	}
	_, err := callStore(set, scope, key, 4)
	return err
}

func hostDelete(scope Scope, key string) (bool, *StoreError) {
	result, err := callStore(importDelete, scope, key, 4)
	return err == nil && result.u8(4) != 0, err
}

func hostList(scope Scope, prefix string) ([]string, *StoreError) {
	result, err := callStore(importList, scope, prefix, 4)
	if err != nil {
		return nil, err
	}
	list := result.span(4)
	keys := make([]string, 0, list.length)
	for index := range list.length {
		key := (*span)(unsafe.Add(unsafe.Pointer(uintptr(list.at)), uintptr(index)*unsafe.Sizeof(span{})))
		keys = append(keys, key.text())
	}
	return keys, nil
}

func hostExpiresAt(scope Scope, key string) (uint64, bool, *StoreError) {
	// A u64 stands in the result, so all of it is aligned to 8.
	result, err := callStore(importExpiresAt, scope, key, 8)
	if err != nil || result.u8(8) == 0 {
		return 0, false, err
	}
	return result.u64(16), true, nil
}
