;; Returns a text that lies outside of its memory.
;; RUN
(call $returning (i32.const -1) (i32.const -1))
