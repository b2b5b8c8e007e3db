// One POST with its answer read whole, by Go's own TLS: post URL BODY ASKED.
package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
)

func main() {
	body, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", os.Args[1], bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("x-answer", os.Args[3])
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		log.Fatal(err)
	}
	read, err := io.ReadAll(answer.Body)
	if asked, _ := strconv.Atoi(os.Args[3]); err != nil || len(read) != asked {
		log.Fatal("short: ", len(read), err)
	}
}
