#pragma once

// Private to common/rpc.

namespace cf::rpc {

/// Asks for buffers that hold a few large frames (4 MiB each way), where the kernel grants as much.
/// To be called before the socket listens or connects: its window is scaled then.
void AskForLargeBuffers(int socket);

/// Small frames leave at once.
void SendWithoutDelay(int socket);

}  // namespace cf::rpc
