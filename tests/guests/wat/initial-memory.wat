;; Has 4 GiB of memory from the start.
;; COMPONENT
(core module $large (memory 65536))
(core instance (instantiate $large))
