;; Calls a cheap function of the host for ever.
;; RUN
(loop (drop (call $attempt)) (br 0))
(unreachable)
