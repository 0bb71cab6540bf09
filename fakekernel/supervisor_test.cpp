#include "fakekernel/supervised.h"
#include "fakekernel/supervisor.h"
#include "util/syscall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <semaphore>

namespace rdmalab::fakekernel {
namespace {

// The system calls that stand for "ours": nobody else makes them.
constexpr int first = SYS_swapon, second = SYS_swapoff;

class Scripted : public Handler {
public:
    std::function<std::optional<Answer>(CallView&)> onGlance;
    std::function<Answer(CallView&)> onHandle;
    std::function<void()> atEnd; // of the tree that it was made for
    std::vector<int> numbers{first, second};

    explicit Scripted(std::function<Answer(CallView&)> handle = {}) : onHandle(std::move(handle)) {}
    ~Scripted() override {
        if (atEnd)
            atEnd();
    }
    void trap(Filter& filter) const override {
        for (const int number : numbers)
            filter.trap(number);
    }
    std::optional<Answer> glance(CallView& call) override { return onGlance ? onGlance(call) : std::nullopt; }
    Answer handle(CallView& call) override { return onHandle(call); }
};

// 1000000 + value, or the errno.
int outcome(long result) {
    return result < 0 ? errno : static_cast<int>(1000000 + result);
}

// A supervised process that runs `body` and reports the number that it returns.
class Client {
public:
    template <typename Body>
    Client(Supervisor& supervisor, std::shared_ptr<Handler> handler, Body body) {
        int ends[2];
        checked("pipe", ::pipe2(ends, O_CLOEXEC));
        result_.reset(ends[0]);
        const UniqueFd out(ends[1]);
        SupervisedLaunch launch(*handler);
        pid_ = checked("fork", ::fork());
        if (pid_ == 0) {
            int number = launch.installInChild();
            number = number != 0 ? -number : body();
            [[maybe_unused]] const auto written = ::write(out.get(), &number, sizeof number);
            ::_exit(0);
        }
        launch.takeInParent(supervisor, std::move(handler));
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    void kill() const { ::kill(pid_, SIGKILL); }
    void reap() { ::waitpid(pid_, nullptr, 0); }
    int result() const {
        int number = -1;
        return ::read(result_.get(), &number, sizeof number) == sizeof number ? number : -2;
    }
    pid_t pid() const { return pid_; }

private:
    pid_t pid_;
    UniqueFd result_;
};

bool kernelHasIt() {
    const unsigned action = SECCOMP_RET_USER_NOTIF;
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

class SupervisorTest : public testing::Test {
protected:
    void SetUp() override {
        if (!kernelHasIt())
            GTEST_SKIP() << "this kernel has no seccomp user notification";
    }
    int ask(std::function<Answer(CallView&)> handle, const std::function<int()>& body) {
        Supervisor supervisor;
        return Client(supervisor, std::make_shared<Scripted>(std::move(handle)), body).result();
    }
    int call(std::function<Answer(CallView&)> handle) {
        return ask(std::move(handle), [] { return outcome(::syscall(first, 1, 2)); });
    }
};

TEST_F(SupervisorTest, AnswersWithValueErrnoOrTheKernelsOwn) {
    EXPECT_EQ(call([](CallView&) { return Answer::value(77); }), 1000077);
    EXPECT_EQ(call([](CallView&) { return Answer::error(ENOTUNIQ); }), ENOTUNIQ);
    EXPECT_THAT(call([](CallView&) { return Answer::proceed(); }), testing::AnyOf(EFAULT, EPERM, EINVAL)); // swapon(1, 2)
}

TEST_F(SupervisorTest, PassesNumberArgumentsAndThread) {
    std::promise<Call> seen;
    Supervisor supervisor;
    Client client(supervisor, std::make_shared<Scripted>([&](CallView& call) {
                      seen.set_value(call.call());
                      return Answer::value(0);
                  }),
                  [] { return outcome(::syscall(second, 1, 2, 3, 4, 5, ~0ul)); });
    EXPECT_EQ(client.result(), 1000000);
    const auto what = seen.get_future().get();
    EXPECT_EQ(what.number, second);
    EXPECT_EQ(what.thread, client.pid());
    EXPECT_THAT(what.arguments, testing::ElementsAre(1, 2, 3, 4, 5, ~0ull));
}

TEST_F(SupervisorTest, WhatHandlersThrowBecomesErrno) {
    EXPECT_EQ(call([](CallView&) -> Answer { throw SystemError("test", EXDEV); }), EXDEV);
    EXPECT_EQ(call([](CallView&) -> Answer { throw std::bad_alloc(); }), ENOMEM);
    EXPECT_EQ(call([](CallView&) -> Answer { throw std::runtime_error("test"); }), EIO);
    EXPECT_EQ(call([](CallView&) -> Answer { throw 1; }), EIO);
    std::promise<std::string> logged;
    Supervisor supervisor([&](const std::string& line) { logged.set_value(line); });
    Client client(supervisor, std::make_shared<Scripted>([](CallView&) -> Answer { throw std::runtime_error("what it was"); }),
                  [] { return outcome(::syscall(first, 1, 2)); });
    EXPECT_EQ(client.result(), EIO);
    EXPECT_THAT(logged.get_future().get(), testing::HasSubstr("what it was"));
}

TEST_F(SupervisorTest, AGlanceAnswersWithoutAWorker) {
    const auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(2); });
    handler->onGlance = [](CallView& call) { return call.argument(0) == 1 ? std::optional(Answer::value(1)) : std::nullopt; };
    Supervisor supervisor;
    Client client(supervisor, handler, [] { return static_cast<int>(::syscall(first, 1, 0) * 10 + ::syscall(first, 2, 0)); });
    EXPECT_EQ(client.result(), 12);
}

TEST_F(SupervisorTest, ReadsStringsUpToTheEndOfAMapping) {
    const auto length = [](CallView& call) {
        return Answer::value(static_cast<int>(call.readString(call.argument(0), call.argument(1)).size()));
    };
    auto* const pages = static_cast<char*>(::mmap(nullptr, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages, MAP_FAILED);
    ::mprotect(pages + 8192, 4096, PROT_NONE); // not a hole, which something else might fill
    std::memset(pages, 'a', 8192);
    const auto read = [&](const char* address, std::size_t limit) {
        return ask(length, [=] { return outcome(::syscall(first, address, limit)); });
    };
    EXPECT_EQ(read(pages + 8192 - 5, 100), EFAULT);
    EXPECT_EQ(read(pages + 8192 - 5, 5), 1000005); // the limit comes first
    EXPECT_EQ(read(nullptr, 5), EFAULT);
    EXPECT_EQ(read(pages + 8192, 5), EFAULT);
    EXPECT_EQ(read(nullptr, 0), 1000000);
    pages[8191] = '\0';
    EXPECT_EQ(read(pages + 8192 - 5, 100), 1000004);
    EXPECT_EQ(read(pages, 100000), 1008191);
    EXPECT_EQ(read(pages + 8191, 100), 1000000);
    ::munmap(pages, 12288);
}

TEST_F(SupervisorTest, ReadsAndWritesMemory) {
    auto* const pages = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages, MAP_FAILED);
    ::mprotect(pages + 4096, 4096, PROT_NONE);
    const auto doubled = [](CallView& call) {
        std::vector<std::byte> bytes(call.argument(1));
        call.read(call.argument(0), bytes);
        for (auto& byte : bytes)
            byte = static_cast<std::byte>(static_cast<unsigned>(byte) * 2);
        call.write(call.argument(0), bytes);
        return Answer::value(0);
    };
    const auto at = [&](std::size_t offset) {
        return ask(doubled, [=] {
            std::memset(pages, 3, 4096);
            const int result = outcome(::syscall(first, pages + offset, 100));
            return result == 1000000 ? pages[offset + 99] : result;
        });
    };
    EXPECT_EQ(at(0), 6);
    EXPECT_EQ(at(3996), 6);
    EXPECT_EQ(at(3997), EFAULT);
    const auto some = [](CallView& call) {
        return Answer::value(static_cast<int>(call.readUpTo(call.argument(0), 4095).size()));
    };
    EXPECT_EQ(ask(some, [=] { return outcome(::syscall(first, pages + 4000)); }), 1000096);
    EXPECT_EQ(ask(some, [=] { return outcome(::syscall(first, pages + 4096)); }), EFAULT);
    const auto write = [](CallView& call) {
        call.write(call.argument(0), std::as_bytes(std::span("x", 1)));
        return Answer::value(0);
    };
    EXPECT_EQ(ask(write,
                  [=] {
                      ::mprotect(pages, 4096, PROT_READ);
                      return outcome(::syscall(first, pages));
                  }),
              EFAULT);
    ::munmap(pages, 8192);
}

TEST_F(SupervisorTest, GivesAndTakesDescriptors) {
    // Hands out a pipe's end, and later recognises the same open file by what is in it.
    int ends[2];
    checked("pipe", ::pipe2(ends, O_CLOEXEC));
    const UniqueFd readEnd(ends[0]), writeEnd(ends[1]);
    const auto handler = [&](CallView& call) {
        if (call.number() == second) {
            const auto taken = call.takeDescriptor(call.intArgument(0));
            char byte = 0;
            checked("read", ::read(taken.get(), &byte, 1));
            return Answer::value(byte);
        }
        std::optional<int> number;
        if (call.intArgument(0) >= 0)
            number = call.intArgument(0);
        return Answer::descriptor(UniqueFd(::fcntl(readEnd.get(), F_DUPFD_CLOEXEC, 0)), call.argument(1) != 0, number);
    };
    [[maybe_unused]] auto written = ::write(writeEnd.get(), "ab", 2);
    EXPECT_EQ(ask(handler, [] { return outcome(::syscall(second, ::syscall(first, -1, 0))); }), 1000000 + 'a');
    EXPECT_EQ(ask(handler, [] { return ::syscall(first, 900, 0) != 900 ? 1 : outcome(::syscall(second, 900)); }), 1000000 + 'b');
    EXPECT_EQ(ask(handler, [] { return ::fcntl(static_cast<int>(::syscall(first, -1, 0)), F_GETFD); }), 0);
    EXPECT_EQ(ask(handler, [] { return ::fcntl(static_cast<int>(::syscall(first, -1, 1)), F_GETFD); }), FD_CLOEXEC);
    EXPECT_EQ(ask(handler, [] { return outcome(::syscall(second, 777)); }), EBADF);
    const auto limited = [](long number) {
        const rlimit limit{64, 64};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        while (::dup(0) >= 0 || errno != EMFILE) {
        }
        return outcome(::syscall(first, number, 0));
    };
    EXPECT_EQ(ask(handler, [=] { return limited(-1); }), EMFILE);
    EXPECT_EQ(ask(handler, [=] { return limited(100); }), EBADF);
    EXPECT_EQ(ask(handler, [=] { return limited(63); }), 1000063); // replaced
}

TEST_F(SupervisorTest, ASlowCallerDelaysNobody) {
    std::binary_semaphore reached(0), gate(0);
    Supervisor supervisor;
    const auto handler = std::make_shared<Scripted>([&](CallView& call) {
        if (call.argument(0) == 1) {
            reached.release();
            gate.acquire();
        }
        return Answer::value(5);
    });
    Client slow(supervisor, handler, [] { return outcome(::syscall(first, 1)); });
    reached.acquire();
    Client quick(supervisor, handler, [] { return outcome(::syscall(first, 2)); });
    EXPECT_EQ(quick.result(), 1000005);
    gate.release();
    EXPECT_EQ(slow.result(), 1000005);
}

TEST_F(SupervisorTest, ACallerKilledInMidCallIsNoError) {
    std::binary_semaphore reached(0), gate(0), ended(0);
    std::promise<bool> noticed;
    std::atomic<int> complaints = 0;
    Supervisor supervisor([&](const std::string&) { ++complaints; });
    auto handler = std::make_shared<Scripted>([&](CallView& call) {
        reached.release();
        gate.acquire();
        bool gone = false;
        try {
            call.readString(call.argument(0), 10);
        } catch (const CallerGone&) {
            gone = true;
        }
        noticed.set_value(gone && !call.valid());
        return Answer::value(5);
    });
    handler->atEnd = [&] { ended.release(); };
    Client client(supervisor, std::move(handler), [] { return outcome(::syscall(first, "text")); });
    reached.acquire();
    client.kill();
    client.reap();
    gate.release();
    EXPECT_TRUE(noticed.get_future().get());
    ended.acquire(); // the tree goes with its last process
    EXPECT_EQ(supervisor.trees(), 0u);
    EXPECT_EQ(complaints, 0);
}

TEST_F(SupervisorTest, ATreeLivesAsLongAsItsLastProcess) {
    std::binary_semaphore ended(0);
    Supervisor supervisor;
    auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(5); });
    handler->atEnd = [&] { ended.release(); };
    int ends[2];
    checked("pipe", ::pipe2(ends, O_CLOEXEC));
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    Client client(supervisor, std::move(handler), [&] {
        if (::fork() == 0) {
            char byte;
            out.reset();
            [[maybe_unused]] const auto got = ::read(in.get(), &byte, 1); // until the test lets go
            const int number = outcome(::syscall(first));
            ::_exit(number == 1000005 ? 0 : 1);
        }
        return 0;
    });
    EXPECT_EQ(client.result(), 0);
    client.reap();
    EXPECT_FALSE(ended.try_acquire());
    EXPECT_EQ(supervisor.trees(), 1u);
    out.reset();
    ended.acquire();
    EXPECT_EQ(supervisor.trees(), 0u);
}

TEST_F(SupervisorTest, AParkedCallIsAnsweredLater) {
    Supervisor supervisor;
    std::promise<std::shared_ptr<ParkedCall>> parked;
    const auto handler = std::make_shared<Scripted>([&](CallView& call) {
        parked.set_value(call.park());
        return Answer::parked();
    });
    {
        Client client(supervisor, handler, [] { return outcome(::syscall(first)); });
        const auto call = parked.get_future().get();
        EXPECT_TRUE(call->waiting());
        call->answer(Answer::value(9));
        call->answer(Answer::value(10));
        EXPECT_EQ(client.result(), 1000009);
        EXPECT_FALSE(call->waiting());
    }
    {
        parked = {};
        Client client(supervisor, handler, [] { return outcome(::syscall(first)); });
        parked.get_future().get().reset();
        parked = {};
        EXPECT_EQ(client.result(), EIO); // dropped
    }
}

TEST_F(SupervisorTest, WhenItIsGoneTrappedCallsFailWithEnosys) {
    std::promise<std::shared_ptr<ParkedCall>> parked;
    auto supervisor = std::make_unique<Supervisor>();
    Client client(*supervisor, std::make_shared<Scripted>([&](CallView& call) {
        parked.set_value(call.park());
        return Answer::parked();
    }),
                  [] {
                      const int waiting = outcome(::syscall(first));
                      return waiting * 1000 + outcome(::syscall(first));
                  });
    const auto call = parked.get_future().get();
    supervisor.reset();
    EXPECT_EQ(client.result(), ENOSYS * 1000 + ENOSYS);
    EXPECT_FALSE(call->waiting());
    call->answer(Answer::value(1));
}

TEST_F(SupervisorTest, TheChildKeepsNoDescriptorOfIt) {
    Supervisor supervisor;
    int before = 0;
    const auto count = [] {
        int found = 0;
        DIR* const directory = ::opendir("/proc/self/fd");
        while (::readdir(directory) != nullptr)
            ++found;
        ::closedir(directory);
        return found;
    };
    int ends[2];
    checked("pipe", ::pipe2(ends, O_CLOEXEC));
    const UniqueFd in(ends[0]), out(ends[1]);
    const auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(0); });
    SupervisedLaunch launch(*handler);
    const pid_t pid = ::fork();
    if (pid == 0) {
        before = count();
        const int error = launch.installInChild();
        int difference = error != 0 ? error : before - count();
        [[maybe_unused]] const auto written = ::write(out.get(), &difference, sizeof difference);
        ::_exit(0);
    }
    launch.takeInParent(supervisor, handler);
    int difference = -1;
    EXPECT_EQ(::read(in.get(), &difference, sizeof difference), static_cast<ssize_t>(sizeof difference));
    EXPECT_EQ(difference, 1); // the launch's own socket
    ::waitpid(pid, nullptr, 0);
}

TEST_F(SupervisorTest, NoNewPrivilegesOnlyWhenTheKernelInsists) {
    const auto ask = [](uid_t user) {
        Supervisor supervisor;
        const auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(0); });
        SupervisedLaunch launch(*handler);
        const pid_t pid = ::fork();
        if (pid == 0) {
            if (user != 0 && ::setresuid(user, user, user) < 0)
                ::_exit(99);
            if (launch.installInChild() != 0)
                ::_exit(98);
            ::_exit(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) * 10 + (::syscall(first) == 0 ? 1 : 0));
        }
        launch.takeInParent(supervisor, handler);
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
    };
    if (::geteuid() != 0)
        GTEST_SKIP() << "to compare with a privileged process takes root";
    EXPECT_EQ(ask(0), 1);
    EXPECT_EQ(ask(65534), 11);
}

TEST_F(SupervisorTest, OneSupervisorForAProcess) {
    Supervisor supervisor;
    const auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(0); });
    SupervisedLaunch again(*handler);
    Client client(supervisor, handler, [&] { return again.installInChild(); });
    EXPECT_EQ(client.result(), EBUSY);
    EXPECT_THROW(again.takeListener(), std::runtime_error);
}

TEST_F(SupervisorTest, AChildThatEndsEarlyIsReported) {
    Supervisor supervisor;
    const auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(0); });
    SupervisedLaunch launch(*handler);
    const pid_t pid = ::fork();
    if (pid == 0)
        ::_exit(0);
    EXPECT_THROW(launch.takeInParent(supervisor, handler), std::runtime_error);
    ::waitpid(pid, nullptr, 0);
}

TEST_F(SupervisorTest, ManyTreesAtOnce) {
    Supervisor supervisor;
    std::vector<std::unique_ptr<Client>> clients;
    for (int number = 0; number < 64; ++number)
        clients.push_back(std::make_unique<Client>(supervisor, std::make_shared<Scripted>([number](CallView& call) {
                                                       return Answer::value(number + static_cast<int>(call.argument(0)));
                                                   }),
                                                   [] {
                                                       long sum = 0;
                                                       for (int i = 0; i < 50; ++i)
                                                           sum += ::syscall(first, i);
                                                       return static_cast<int>(sum);
                                                   }));
    for (int number = 0; number < 64; ++number)
        EXPECT_EQ(clients[static_cast<std::size_t>(number)]->result(), 50 * number + 49 * 25);
}

TEST_F(SupervisorTest, AChainAsksInOrder) {
    const auto a =
        std::make_shared<Scripted>([](CallView& call) { return call.argument(0) == 1 ? Answer::value(1) : Answer::proceed(); });
    a->numbers = {first};
    const auto b = std::make_shared<Scripted>([](CallView&) { return Answer::value(2); });
    b->onGlance = [](CallView& call) { return call.argument(0) == 3 ? std::optional(Answer::value(3)) : std::nullopt; };
    const auto chain = std::make_shared<HandlerChain>(std::vector<std::shared_ptr<Handler>>{a, b});
    Supervisor supervisor;
    Client client(supervisor, chain, [] {
        return static_cast<int>(::syscall(first, 1) * 1000 + ::syscall(first, 2) * 100 + ::syscall(first, 3) * 10 +
                                ::syscall(second, 3));
    });
    EXPECT_EQ(client.result(), 1233);
}

TEST_F(SupervisorTest, WakingCanBeSwitchedWhileItRuns) {
    Supervisor supervisor;
    EXPECT_FALSE(supervisor.setSynchronousWake(12345, true));
    const auto handler = std::make_shared<Scripted>([](CallView&) { return Answer::value(1); });
    SupervisedLaunch launch(*handler);
    int ends[2];
    checked("pipe", ::pipe2(ends, O_CLOEXEC));
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
        char byte;
        launch.installInChild();
        [[maybe_unused]] const auto got = ::read(in.get(), &byte, 1);
        ::_exit(::syscall(first) == 1 ? 0 : 1);
    }
    const auto tree = launch.takeInParent(supervisor, handler);
    const bool possible = supervisor.setSynchronousWake(tree, false);
    EXPECT_EQ(supervisor.setSynchronousWake(tree, true), possible);
    EXPECT_EQ(supervisor.setSynchronousWake(tree, false), possible);
    EXPECT_EQ(::write(out.get(), "x", 1), 1);
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

} // namespace
} // namespace rdmalab::fakekernel
