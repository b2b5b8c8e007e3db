#!/bin/sh
# openssl s_client as a client of HTTP: s_client.sh URL FILE BYTES_TO_BE_ANSWERED
end=${1#https://}
path=/${end#*/}
end=${end%%/*}
{
	printf 'POST %s HTTP/1.1\r\nHost: %s\r\nX-Answer: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n' \
		"$path" "$end" "$3" "$(wc -c <"$2")"
	cat "$2"
} | openssl s_client -quiet -connect "$end" 2>/dev/null | tail -c "$3" | wc -c | grep -qx "$3"
