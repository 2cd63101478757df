package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var testKey = []byte(strings.Repeat("k", 32))

func TestChargeIsAnsweredByStatus(t *testing.T) {
	cases := map[string]int{
		`{"customer": "ana", "cents": 2670}`: http.StatusOK,
		`{"customer": "ana", "cents": 0}`:    http.StatusUnprocessableEntity,
		`{"customer": "", "cents": 5}`:       http.StatusUnprocessableEntity,
		`not json`:                           http.StatusBadRequest,
	}
	for body, want := range cases {
		w := httptest.NewRecorder()
		routes(testKey, time.Now).ServeHTTP(w, httptest.NewRequest("POST", "/charges", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", body, w.Code, want)
		}
	}
}

func TestSignatureDependsOnEveryPart(t *testing.T) {
	receipt := receiptFor(testKey, Charge{Customer: "ana", Cents: 5}, time.Unix(0, 0))
	if sign(testKey, receipt, "ana") != receipt.Signature {
		t.Error("a receipt's own signature does not verify")
	}
	receipt.Cents = 6
	if sign(testKey, receipt, "ana") == receipt.Signature {
		t.Error("the amount is not part of the signature")
	}
}
