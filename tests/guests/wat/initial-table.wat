;; Has a table of 10 million elements from the start.
;; COMPONENT
(core module $large (table 10000000 funcref))
(core instance (instantiate $large))
