(component
  (import "shiro:step/types@0.1.0" (instance $types
    (type $kind' (enum "invalid-config" "permanent" "transient"))
    (export "failure-kind" (type $kind (eq $kind')))
    (type $failure' (record (field "kind" $kind) (field "code" string) (field "message" string)
      (field "retry-after-ms" (option u64)) (field "output" (option string))))
    (export "failure" (type (eq $failure')))))
  (alias export $types "failure" (type $failure))
  (import "shiro:step/context@0.1.0" (instance $context (export "attempt" (func (result u32)))))
  (core func $attempt (canon lower (func $context "attempt")))
  (core module $libc
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (block $enough
        (br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536))))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  ;; COMPONENT
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "context" "attempt" (func $attempt (result i32)))
    ;; MODULE
    (data (i32.const 1024) "{\22name\22:\22hostile\22,\22version\22:\221.0.0\22,\22summary\22:\22One bad behaviour.\22}")
    (data (i32.const 2048) "{}")
    ;; The address of a result: the output is at this address and has this length.
    (func $returning (param $output i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 32) (i32.const 0))
      (i32.store (i32.const 40) (local.get $output))
      (i32.store (i32.const 44) (local.get $length))
      (i32.const 32))
    (func $succeed (result i32) (call $returning (i32.const 2048) (i32.const 2)))
    (func $described (param $description i32) (param $length i32) (result i32)
      (i32.store (i32.const 16) (local.get $description))
      (i32.store (i32.const 20) (local.get $length))
      (i32.const 16))
    (func (export "describe") (result i32)
      ;; DESCRIBE
    )
    (func (export "run") (param $config i32) (param $length i32) (result i32)
      ;; RUN
    ))
  (core instance $main (instantiate $main (with "libc" (instance $libc))
    (with "context" (instance (export "attempt" (func $attempt))))
    ;; WITH
  ))
  (type $result (result string (error $failure)))
  (func $describe (result string)
    (canon lift (core func $main "describe") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func $run (param "config" string) (result $result)
    (canon lift (core func $main "run") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (instance $step (export "describe" (func $describe)) (export "run" (func $run)))
  (export "shiro:step/step@0.1.0" (instance $step)))
