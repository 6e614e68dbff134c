;; Has 25 memories.
;; COMPONENT
(component $five
  (core module $small (memory 1))
  (core instance (instantiate $small)) (core instance (instantiate $small)) (core instance (instantiate $small))
  (core instance (instantiate $small)) (core instance (instantiate $small)))
(instance (instantiate $five)) (instance (instantiate $five)) (instance (instantiate $five))
(instance (instantiate $five)) (instance (instantiate $five))
