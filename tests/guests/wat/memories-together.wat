;; Has five memories of 100 MiB each: each is small enough, all together are not.
;; COMPONENT
(core module $large (memory 1600))
(core instance (instantiate $large))
(core instance (instantiate $large))
(core instance (instantiate $large))
(core instance (instantiate $large))
(core instance (instantiate $large))
