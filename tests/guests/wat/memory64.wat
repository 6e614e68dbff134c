;; Has a memory with 64-bit addresses.
;; MODULE
(memory i64 0x1000000000000)
