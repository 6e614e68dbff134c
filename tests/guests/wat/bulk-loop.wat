;; Fills its memory again and again: each of these instructions takes as long as a memory is large.
;; RUN
(drop (memory.grow (i32.const 900)))
(loop (memory.fill (i32.const 65536) (i32.const 1) (i32.const 58982400)) (br 0))
(unreachable)
