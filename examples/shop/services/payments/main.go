// Payments takes a charge and answers with a signed receipt. It keeps nothing on disk, needs no
// Kubernetes access and reads its only secret, the signing key, from a mounted file.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	maxBody  = 4 << 10
	maxCents = 1_000_000
)

// Charge is what cart asks for.
type Charge struct {
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// Receipt proves that a charge was taken; anyone who holds the key can verify it.
type Receipt struct {
	ID        string    `json:"id"`
	Cents     int64     `json:"cents"`
	At        time.Time `json:"at"`
	Signature string    `json:"signature"`
}

func (c Charge) valid() error {
	if c.Customer == "" || len(c.Customer) > 100 {
		return errors.New("customer must have 1 to 100 bytes")
	}
	if c.Cents <= 0 || c.Cents > maxCents {
		return errors.New("cents must lie between 1 and 1000000")
	}
	return nil
}

func sign(key []byte, receipt Receipt, customer string) string {
	mac := hmac.New(sha256.New, key)
	// Writing to a hash never fails.
	_ = json.NewEncoder(mac).Encode([]any{receipt.ID, customer, receipt.Cents, receipt.At})
	return hex.EncodeToString(mac.Sum(nil))
}

func receiptFor(key []byte, charge Charge, now time.Time) Receipt {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	receipt := Receipt{ID: hex.EncodeToString(id), Cents: charge.Cents, At: now.UTC()}
	receipt.Signature = sign(key, receipt, charge.Customer)
	return receipt
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		slog.Warn("answer not delivered", "error", err)
	}
}

func routes(key []byte, now func() time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("POST /charges", func(w http.ResponseWriter, r *http.Request) {
		var charge Charge
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&charge); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "not a charge"})
			return
		}
		if err := charge.valid(); err != nil {
			answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		receipt := receiptFor(key, charge, now())
		slog.Info("charged", "receipt", receipt.ID, "cents", receipt.Cents)
		answer(w, http.StatusOK, receipt)
	})
	return mux
}

// healthy is the container's own check: there is no shell and no curl in its image.
func healthy(address string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func serve(address string, key []byte) error {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	server := &http.Server{
		Addr:              address,
		Handler:           routes(key, time.Now),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
	}
	go func() {
		<-stop.Done()
		// Let running charges finish before the pod goes.
		grace, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		_ = server.Shutdown(grace)
	}()
	slog.Info("payments listens", "address", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func main() {
	address := flag.String("listen", "localhost:8082", "address to listen on")
	keyFile := flag.String("key", "/etc/payments/signing.key", "file that holds the signing key")
	check := flag.Bool("check", false, "ask a running server whether it is well, and leave")
	flag.Parse()
	if *check {
		if !healthy(*address) {
			os.Exit(1)
		}
		return
	}
	key, err := os.ReadFile(*keyFile)
	if err != nil || len(key) < 32 {
		slog.Error("no usable signing key", "file", *keyFile, "error", err)
		os.Exit(2)
	}
	if err := serve(*address, key); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}
