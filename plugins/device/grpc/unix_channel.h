// A gRPC client over a unix socket that was connected beforehand: no name resolution, no reconnecting, and the plain errno of
// connect(2) when nobody listens.
#pragma once

#include "util/unique_fd.h"

#include <memory>
#include <string>

namespace grpc {
class Channel;
class Status;
} // namespace grpc

namespace rdmalab::plugin {

// Throws SystemError: ENOENT, ECONNREFUSED (bound but not listening yet), EAGAIN (backlog full), ENAMETOOLONG (over 107 bytes).
UniqueFd connectUnix(const std::string& path);

// The channel lives as long as the connection; after that every call fails with UNAVAILABLE.
std::shared_ptr<grpc::Channel> channelOver(UniqueFd socket);

// To be called before the first use of gRPC's callback API by other means than channelOver(). gRPC 1.51 ends its callback
// threads together with the last channel or server that uses them, and aborts when that happens on one of those very threads;
// this keeps them until the process ends.
void keepGrpcThreads();

// As Go's gRPC prints an error: `rpc error: code = Unavailable desc = ...`.
std::string goRpcError(const grpc::Status& status);

} // namespace rdmalab::plugin
