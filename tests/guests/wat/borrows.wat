;; Lends a resource of one component to another, from a third, for ever.
;; AROUND
(component
  (import "shiro:step/types@0.1.0" (instance $types
    (type $kind' (enum "invalid-config" "permanent" "transient"))
    (export "failure-kind" (type $kind (eq $kind')))
    (type $failure' (record (field "kind" $kind) (field "code" string) (field "message" string)
      (field "retry-after-ms" (option u64)) (field "output" (option string))))
    (export "failure" (type (eq $failure')))))
  (import "shiro:step/context@0.1.0" (instance $context (export "attempt" (func (result u32)))))
  (component $owner
    (type $thing (resource (rep i32)))
    (core func $new (canon resource.new $thing))
    (core module $code
      (import "" "new" (func $new (param i32) (result i32)))
      (func (export "make") (result i32) (call $new (i32.const 7))))
    (core instance $code (instantiate $code (with "" (instance (export "new" (func $new))))))
    (func $make (result (own $thing)) (canon lift (core func $code "make")))
    (export $exported "thing" (type $thing))
    (export "make" (func $make) (func (result (own $exported)))))
  (instance $owner (instantiate $owner))
  (component $borrower
    (import "thing" (type $thing (sub resource)))
    (core func $drop (canon resource.drop $thing))
    (core module $code
      (import "" "drop" (func $drop (param i32)))
      (func (export "look") (param i32) (call $drop (local.get 0))))
    (core instance $code (instantiate $code (with "" (instance (export "drop" (func $drop))))))
    (func $look (param "thing" (borrow $thing)) (canon lift (core func $code "look")))
    (export "look" (func $look)))
  (alias export $owner "thing" (type $thing))
  (instance $borrower (instantiate $borrower (with "thing" (type $thing))))
  ;; FRAME
  (instance $lender (instantiate $frame
    (with "shiro:step/types@0.1.0" (instance $types)) (with "shiro:step/context@0.1.0" (instance $context))
    (with "thing" (type $thing)) (with "make" (func $owner "make")) (with "look" (func $borrower "look"))))
  (alias export $lender "shiro:step/step@0.1.0" (instance $step))
  (export "shiro:step/step@0.1.0" (instance $step)))
;; COMPONENT
(import "thing" (type $thing (sub resource)))
(import "make" (func $make (result (own $thing))))
(import "look" (func $look (param "thing" (borrow $thing))))
(core func $make (canon lower (func $make)))
(core func $look (canon lower (func $look)))
;; WITH
(with "host" (instance (export "make" (func $make)) (export "look" (func $look))))
;; MODULE
(import "host" "make" (func $make (result i32)))
(import "host" "look" (func $look (param i32)))
;; RUN
(local $thing i32)
(local.set $thing (call $make))
(loop (call $look (local.get $thing)) (br 0))
(unreachable)
