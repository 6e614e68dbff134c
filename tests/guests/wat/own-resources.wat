;; Makes handles of a resource of its own, and drops none.
;; COMPONENT
(type $own (resource (rep i32)))
(core func $new (canon resource.new $own))
;; WITH
(with "host" (instance (export "new" (func $new))))
;; MODULE
(import "host" "new" (func $new (param i32) (result i32)))
;; RUN
(loop (drop (call $new (i32.const 0))) (br 0))
(unreachable)
