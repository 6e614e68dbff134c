// Does everything that can be done with shared data, and returns what came of it.
package main

import (
	"time"

	"shiro/step"
)

type config struct {
	Scope string `json:"scope"`
	Key   string `json:"key"`
}

type output struct {
	Before  any      `json:"before"`
	Value   any      `json:"value"`
	Exists  bool     `json:"exists"`
	Keys    []string `json:"keys"`
	Expires bool     `json:"expires"`
	Stays   bool     `json:"stays"`
	Deleted bool     `json:"deleted"`
	Again   bool     `json:"again"`
}

func init() {
	step.Register(step.Type{
		Name: "example.store", Version: "0.1.0", Summary: "Uses shared data.", Idempotent: true,
		Permissions: step.Permissions{Store: []step.Keys{{Scope: "*", Keys: "*", Access: step.ReadWrite}}},
	}, run)
}

func run(c config) (output, error) {
	var out output
	scope, short := step.Scope(c.Scope), c.Key+"/short"
	if _, err := step.Load(scope, c.Key, &out.Before); err != nil {
		return out, err
	}
	if err := step.Store(scope, c.Key, map[string]any{"by": "step", "list": []any{1, "é"}}); err != nil {
		return out, err
	}
	if err := step.StoreFor(scope, short, 1, time.Hour); err != nil {
		return out, err
	}
	_, err := step.Load(scope, c.Key, &out.Value)
	for _, act := range []func() error{
		func() (e error) { out.Exists, e = step.Exists(scope, c.Key); return },
		func() (e error) { out.Keys, e = step.List(scope, c.Key); return },
		func() (e error) { _, out.Expires, e = step.ExpiresAt(scope, short); return },
		func() (e error) { _, known, e := step.ExpiresAt(scope, c.Key); out.Stays = !known; return e },
		func() (e error) { out.Deleted, e = step.Delete(scope, short); return },
		func() (e error) { out.Again, e = step.Delete(scope, short); return },
	} {
		if err == nil {
			err = act()
		}
	}
	step.Info("done")
	return out, err
}

func main() {}
