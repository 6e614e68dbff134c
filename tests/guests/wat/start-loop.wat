;; Loops for ever in the function that runs when its module starts, unless it is only asked for its description.
;; MODULE
(func $start (if (call $attempt) (then (loop (br 0)))))
(start $start)
