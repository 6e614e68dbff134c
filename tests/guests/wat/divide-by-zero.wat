;; Divides by zero.
;; RUN
(i32.div_u (local.get $length) (i32.const 0))
