;; Promises a list of texts, and returns a list of 200,000 numbers.
;; MODULE
(data (i32.const 4096) "{\22name\22:\22hostile\22,\22version\22:\221.0.0\22,\22summary\22:\22Promises texts.\22,\22output_schema\22:{\22items\22:{\22type\22:\22string\22}}}")
;; DESCRIBE
(call $described (i32.const 4096) (i32.const 108))
;; RUN
(local $at i32)
(drop (memory.grow (i32.const 8)))
(local.set $at (i32.const 65536))
(loop $more
  (i32.store (local.get $at) (i32.const 0x2c302c30))
  (local.set $at (i32.add (local.get $at) (i32.const 4)))
  (br_if $more (i32.lt_u (local.get $at) (i32.const 465536))))
(i32.store8 (i32.const 65536) (i32.const 0x20))
(i32.store8 (i32.const 65537) (i32.const 0x5b))
(i32.store8 (i32.const 465535) (i32.const 0x5d))
(call $returning (i32.const 65536) (i32.const 400000))
