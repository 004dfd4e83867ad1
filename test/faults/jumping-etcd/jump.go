package time

import "sync/atomic"

// SetJump moves the wall clock of this process away from the machine's. Monotonic time stays as it is.
func SetJump(seconds int64) { jumpedSeconds.Store(seconds) }

var jumpedSeconds atomic.Int64
