#include "fakekernel/answer.h"

namespace rdmalab::fakekernel {

Answer Answer::value(std::int64_t result) {
    return Answer(Kind::value, result);
}
Answer Answer::error(int code) {
    return Answer(Kind::error, code);
}
Answer Answer::proceed() {
    return Answer(Kind::proceed);
}
Answer Answer::parked() {
    return Answer(Kind::parked);
}

Answer Answer::descriptor(UniqueFd file, bool closeOnExec, std::optional<int> number) {
    Answer answer(Kind::descriptor);
    answer.file_ = std::move(file);
    answer.closeOnExec_ = closeOnExec;
    answer.number_ = number;
    return answer;
}

} // namespace rdmalab::fakekernel
