#include "plugins/http/http_server.h"
#include "plugins/http/tcp_http_client.h"
#include "plugins/http/unix_http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

namespace rdmalab::plugin {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;

class Http : public testing::Test {
protected:
    Http() {
        ::signal(SIGPIPE, SIG_IGN);
        char name[] = "/tmp/rdmalab-http-XXXXXX";
        directory_ = ::mkdtemp(name);
        path_ = directory_ + "/s.sock";
    }
    ~Http() override { std::filesystem::remove_all(directory_); }

    static void echo(const HttpRequest& request, const HttpServer::Reply& reply) {
        reply({200, request.method + " " + request.target + " " + request.body, "text/plain"});
    }

    // What the server answers to these very bytes; the sending side is closed after them.
    static std::string raw(int port, const std::string& bytes) {
        const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(static_cast<std::uint16_t>(port));
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
        EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
        ::shutdown(fd.get(), SHUT_WR);
        std::string answer;
        char buffer[4096];
        for (ssize_t got; (got = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
            answer.append(buffer, static_cast<std::size_t>(got));
        return answer;
    }

    std::string directory_, path_;
};

TEST_F(Http, GetMayHaveABodyAndHostMayBeEmpty) {
    const HttpServer server(listenUnix(path_), echo);
    const auto response = unixHttpRequest(path_, {"GET", "/v1/coordinator/config", R"({"podName":"a"})"});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"(GET /v1/coordinator/config {"podName":"a"})");
    EXPECT_EQ(response.contentType, "text/plain");
}

TEST_F(Http, MissingSocketIsToldInGosWords) {
    EXPECT_THAT(
        [&] {
            unixHttpRequest(path_, {"GET", "/", ""});
        },
        ThrowsMessage<std::runtime_error>("dial unix " + path_ + ": connect: no such file or directory"));
}

TEST_F(Http, NobodyListeningIsToldInGosWords) {
    int port;
    {
        const auto listener = listenTcp("127.0.0.1", 0);
        port = portOf(listener);
    }
    TcpHttpClient client("127.0.0.1", port);
    EXPECT_THAT(
        [&] {
            client.request({"GET", "/", ""});
        },
        ThrowsMessage<std::runtime_error>(
            StartsWith("dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused")));
}

TEST_F(Http, SixtyFourClientsAtOnceEachGetTheirOwnAnswer) {
    const HttpServer server(listenUnix(path_), echo);
    std::atomic<int> right{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 64; ++i)
        clients.emplace_back([&, i] {
            const std::string target = "/" + std::to_string(i);
            if (unixHttpRequest(path_, {"POST", target, "x"}).body == "POST " + target + " x")
                ++right;
        });
    for (auto& client : clients)
        client.join();
    EXPECT_EQ(right, 64);
}

TEST_F(Http, TcpClientKeepsItsConnectionAndSurvivesARestartOfTheServer) {
    auto listener = listenTcp("127.0.0.1", 0);
    const int port = portOf(listener);
    auto server = std::make_unique<HttpServer>(std::move(listener), echo);
    TcpHttpClient client("127.0.0.1", port);
    EXPECT_EQ(client.request({"GET", "/a", ""}).body, "GET /a ");
    EXPECT_EQ(client.request({"GET", "/b", ""}).body, "GET /b ");
    server.reset();
    server = std::make_unique<HttpServer>(listenTcp("127.0.0.1", port), echo);
    EXPECT_EQ(client.request({"GET", "/c", ""}).body, "GET /c ");
}

TEST_F(Http, GarbageTruncatedAndOversizedRequestsHarmNobody) {
    auto listener = listenTcp("127.0.0.1", 0);
    const int port = portOf(listener);
    const HttpServer server(std::move(listener), echo);
    EXPECT_THAT(raw(port, "\x16\x03\x01 nonsense\r\n\r\n"), HasSubstr("400 Bad Request"));
    EXPECT_EQ(raw(port, "POST /x HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort"), "");
    EXPECT_THAT(raw(port, "POST /x HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"), HasSubstr("413"));
    EXPECT_EQ(raw(port, ""), "");
    EXPECT_THAT(raw(port, "GET /ok HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"), HasSubstr("GET /ok "));
}

TEST_F(Http, EndOfServerFreesClientsThatWait) {
    std::atomic<bool> asked{false};
    std::vector<HttpServer::Reply> never;
    auto server = std::make_unique<HttpServer>(listenUnix(path_), [&](const HttpRequest&, HttpServer::Reply reply) {
        never.push_back(std::move(reply));
        asked = true;
        asked.notify_all();
    });
    std::thread client([&] { EXPECT_THROW(unixHttpRequest(path_, {"GET", "/", ""}), std::runtime_error); });
    asked.wait(false);
    server.reset();
    client.join();
    never.at(0)({200, "late", ""}); // must be harmless
}

} // namespace
} // namespace rdmalab::plugin
