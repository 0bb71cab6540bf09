#include "plugins/http/http_server.h"

#include "plugins/http/wire.h"
#include "util/syscall.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

namespace rdmalab::plugin {

namespace {
// Takes one reply; whoever waits is woken by it or by the server's end.
struct Pending {
    std::mutex mutex;
    std::condition_variable wake;
    std::optional<HttpResponse> response;
    bool cancelled = false;
};
} // namespace

struct HttpServer::State {
    struct Connection {
        boost::asio::io_context context;
        wire::Socket socket{context};
        std::shared_ptr<Pending> pending;
        std::thread thread;
        bool ended = false;
    };

    UniqueFd listener, stop;
    Handler handler;
    std::thread acceptor;
    std::mutex mutex;
    bool stopping = false;             // guarded by mutex
    std::list<Connection> connections; // guarded by mutex

    void accept();
    void serve(Connection& connection);
    void reap();
};

void HttpServer::State::accept() {
    for (;;) {
        pollfd fds[2] = {{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
        if (::poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents != 0)
            return;
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        UniqueFd fd(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
        if (!fd.valid())
            continue;
        const int one = 1;
        if (peer.ss_family != AF_UNIX)
            ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        reap();
        const std::lock_guard lock(mutex);
        if (stopping)
            return;
        Connection& connection = connections.emplace_back();
        connection.socket.assign(boost::asio::generic::stream_protocol(peer.ss_family, 0), fd.release());
        connection.thread = std::thread([this, &connection] { serve(connection); });
    }
}

void HttpServer::State::reap() {
    std::list<Connection> over;
    {
        const std::lock_guard lock(mutex);
        for (auto it = connections.begin(); it != connections.end();) {
            const auto next = std::next(it);
            if (it->ended)
                over.splice(over.end(), connections, it);
            it = next;
        }
    }
    for (auto& connection : over)
        connection.thread.join();
}

void HttpServer::State::serve(Connection& connection) {
    namespace http = wire::http;
    boost::beast::flat_buffer buffer;
    try {
        for (bool open = true; open;) {
            http::request_parser<http::string_body> parser;
            parser.body_limit(wire::bodyLimit);
            boost::system::error_code error;
            http::read(connection.socket, buffer, parser, error);
            http::response<http::string_body> answer;
            answer.version(11);
            if (error) {
                if (error == http::error::body_limit)
                    answer.result(http::status::payload_too_large);
                else if (error.category() == http::make_error_code(http::error::bad_target).category() &&
                         error != http::error::end_of_stream && error != http::error::partial_message)
                    answer.result(http::status::bad_request);
                else
                    break; // the peer has gone
                answer.keep_alive(false);
                answer.prepare_payload();
                http::write(connection.socket, answer, error);
                break;
            }
            auto message = parser.release();
            open = message.keep_alive();
            auto pending = std::make_shared<Pending>();
            {
                const std::lock_guard lock(mutex);
                if (stopping)
                    break;
                connection.pending = pending;
            }
            HttpRequest request;
            request.method = std::string(message.method_string());
            request.target = std::string(message.target());
            request.contentType = std::string(message[http::field::content_type]);
            request.body = std::move(message.body());
            handler(std::move(request), [pending](HttpResponse response) {
                const std::lock_guard lock(pending->mutex);
                pending->response = std::move(response);
                pending->wake.notify_all();
            });
            std::unique_lock lock(pending->mutex);
            pending->wake.wait(lock, [&] { return pending->response || pending->cancelled; });
            if (!pending->response)
                break;
            answer.result(static_cast<unsigned>(pending->response->status));
            answer.set(http::field::content_type, pending->response->contentType);
            answer.body() = std::move(pending->response->body);
            answer.keep_alive(open);
            answer.prepare_payload();
            http::write(connection.socket, answer, error); // a client may close before it has read everything
            if (error)
                break;
        }
    } catch (const std::exception&) {
        // One connection's trouble is not the server's.
    }
    boost::system::error_code ignored;
    connection.socket.shutdown(boost::asio::socket_base::shutdown_both, ignored);
    const std::lock_guard lock(mutex);
    connection.ended = true;
}

HttpServer::HttpServer(UniqueFd listeningSocket, Handler handler) : state_(std::make_shared<State>()) {
    state_->listener = std::move(listeningSocket);
    state_->stop.reset(checked("eventfd", ::eventfd(0, EFD_CLOEXEC)));
    state_->handler = std::move(handler);
    state_->acceptor = std::thread([state = state_.get()] { state->accept(); });
}

HttpServer::~HttpServer() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(state_->stop.get(), &one, sizeof one);
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
        for (auto& connection : state_->connections) {
            ::shutdown(connection.socket.native_handle(), SHUT_RDWR);
            if (connection.pending) {
                const std::lock_guard waiting(connection.pending->mutex);
                connection.pending->cancelled = true;
                connection.pending->wake.notify_all();
            }
        }
    }
    state_->acceptor.join();
    for (auto& connection : state_->connections)
        connection.thread.join();
}

UniqueFd listenUnix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw SystemError("listen on " + path, ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd(checked("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    ::unlink(path.c_str());
    checked("bind " + path, ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    checked("listen on " + path, ::listen(fd.get(), 1024));
    return fd;
}

UniqueFd listenTcp(const std::string& address, int port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET, address.c_str(), &in.sin_addr) != 1)
        throw SystemError("listen on " + address, EINVAL);
    UniqueFd fd(checked("socket", ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    const int one = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const std::string where = address + ":" + std::to_string(port);
    checked("bind " + where, ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&in), sizeof in));
    checked("listen on " + where, ::listen(fd.get(), 1024));
    return fd;
}

int portOf(const UniqueFd& listener) {
    sockaddr_in in{};
    socklen_t size = sizeof in;
    checked("getsockname", ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&in), &size));
    return ntohs(in.sin_port);
}

} // namespace rdmalab::plugin
