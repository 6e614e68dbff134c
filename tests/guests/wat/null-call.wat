;; Calls through an empty element of a table.
;; MODULE
(table 1 funcref)
;; RUN
(call_indirect (result i32) (i32.const 0))
