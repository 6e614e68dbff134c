;; Waits for nothing at all.
;; COMPONENT
(import "wasi:io/poll@0.2.0" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
(core func $poll (canon lower (func $poll "poll")
  (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
;; WITH
(with "host" (instance (export "poll" (func $poll))))
;; MODULE
(import "host" "poll" (func $poll (param i32 i32 i32)))
;; RUN
(call $poll (i32.const 0) (i32.const 0) (i32.const 100))
(unreachable)
