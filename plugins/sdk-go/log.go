package step

import (
	"encoding/json"
	"fmt"
)

// Level says how much a message matters.
type Level uint8

const (
	// LevelDebug is for whoever looks for a fault. Shown only when asked for.
	LevelDebug Level = iota
	// LevelInfo is worth knowing.
	LevelInfo
	// LevelWarn is that something may be wrong.
	LevelWarn
	// LevelError is that something is wrong.
	LevelError
)

// Debug logs what helps to find a fault. Shown only when asked for.
func Debug(message string) { hostLog(LevelDebug, message, "") }

// Info logs what is worth knowing.
func Info(message string) { hostLog(LevelInfo, message, "") }

// Warn logs that something may be wrong.
func Warn(message string) { hostLog(LevelWarn, message, "") }

// Error logs that something is wrong. The step goes on: return a [*Failure] to end it.
func Error(message string) { hostLog(LevelError, message, "") }

// Infof is [Info] with a format.
func Infof(format string, args ...any) { Info(fmt.Sprintf(format, args...)) }

// Warnf is [Warn] with a format.
func Warnf(format string, args ...any) { Warn(fmt.Sprintf(format, args...)) }

// LogFields logs a message with further fields. Fields that JSON can't hold are left out.
func LogFields(level Level, message string, fields map[string]any) {
	encoded, err := json.Marshal(fields)
	if err != nil || fields == nil {
		encoded = nil
	}
	hostLog(level, message, string(encoded))
}
