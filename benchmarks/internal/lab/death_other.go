//go:build !linux

package lab

import "syscall"

func diesWithUs(*syscall.SysProcAttr) {}
