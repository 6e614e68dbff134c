;; Returns a text of 200 MiB, within its memory.
;; RUN
(drop (memory.grow (i32.const 3250)))
(call $returning (i32.const 65536) (i32.const 209715200))
