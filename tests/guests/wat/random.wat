;; Asks for as many random bytes as there can be.
;; COMPONENT
(import "wasi:random/random@0.2.0" (instance $random
  (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
(core func $bytes (canon lower (func $random "get-random-bytes")
  (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
;; WITH
(with "host" (instance (export "bytes" (func $bytes))))
;; MODULE
(import "host" "bytes" (func $bytes (param i64 i32)))
;; RUN
(call $bytes (i64.const -1) (i32.const 100))
(unreachable)
