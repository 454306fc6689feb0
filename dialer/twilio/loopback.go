package twilio

import "net"

// isLoopback takes no name but localhost, which the system resolves.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
