//go:build unix && !linux

package pgtest

import "syscall"

// diesWithUs does nothing where the kernel has no word for it.
func diesWithUs(*syscall.SysProcAttr) {}

// children are not looked for where there is no /proc.
func children(int) []int { return nil }
