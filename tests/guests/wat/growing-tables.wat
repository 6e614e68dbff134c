;; Grows several tables, each by a little, again and again.
;; MODULE
(table $a 1 funcref) (table $b 1 funcref) (table $c 1 funcref) (table $d 1 funcref)
;; RUN
(loop
  (drop (table.grow $a (ref.null func) (i32.const 100000)))
  (drop (table.grow $b (ref.null func) (i32.const 100000)))
  (drop (table.grow $c (ref.null func) (i32.const 100000)))
  (drop (table.grow $d (ref.null func) (i32.const 100000)))
  (br 0))
(unreachable)
