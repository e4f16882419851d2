//go:build unix

package main

import "syscall"

// apart keeps a Ctrl-C at the terminal away from a child: it is ended in order.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
