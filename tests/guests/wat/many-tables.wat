;; Has 100 tables.
;; COMPONENT
(component $twenty
  (core module $tables
    (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)
    (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref))
  (core instance (instantiate $tables)) (core instance (instantiate $tables)))
(instance (instantiate $twenty)) (instance (instantiate $twenty)) (instance (instantiate $twenty))
(instance (instantiate $twenty)) (instance (instantiate $twenty))
