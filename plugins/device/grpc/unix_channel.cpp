#include "plugins/device/grpc/unix_channel.h"

#include "plugins/device/api/pluginregistration_v1.grpc.pb.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/status.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

namespace rdmalab::plugin {

UniqueFd connectUnix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw SystemError("connect " + path, ENAMETOOLONG);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    UniqueFd socket(checked("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
    checked("connect " + path, ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return socket;
}

void keepGrpcThreads() {
    // A server without a port is enough. Never destroyed, on purpose; volatile, so that the only pointer to it is really kept.
    struct Idle {
        pluginregistration::Registration::CallbackService service;
        std::unique_ptr<grpc::Server> server;
    };
    [[maybe_unused]] static Idle* volatile const forever = [] {
        auto* idle = new Idle;
        grpc::ServerBuilder builder;
        builder.RegisterService(&idle->service);
        idle->server = builder.BuildAndStart();
        return idle;
    }();
}

std::shared_ptr<grpc::Channel> channelOver(UniqueFd socket) {
    keepGrpcThreads();
    return grpc::CreateInsecureChannelFromFd("localhost", socket.release());
}

std::string goRpcError(const grpc::Status& status) {
    constexpr std::array names = {"OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
                                  "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
                                  "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
                                  "DataLoss", "Unauthenticated"};
    const auto code = static_cast<std::size_t>(status.error_code());
    return fmt::format("rpc error: code = {} desc = {}", code < names.size() ? names[code] : "Unknown", status.error_message());
}

} // namespace rdmalab::plugin
