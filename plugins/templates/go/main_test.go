package main

import "testing"

func TestAnotherStatusIsAFailure(t *testing.T) {
	if output, err := judge(204, 204); err != nil || !output.OK {
		t.Errorf("204 for 204: %v, %v", output, err)
	}
	if _, err := judge(503, 200); err == nil {
		t.Error("503 for 200 should fail")
	}
}
