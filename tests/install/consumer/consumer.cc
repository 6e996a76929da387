// consumer MODEL: the version, then a few words, in C++. An octavo::Error crosses from the library.
#include <octavo/octavo.h>

#include <iostream>
#include <octavo/octavo.hpp>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::cout << octavo_version() << '\n';
  try {
    octavo::Model::open("/nowhere.8vo");
    return 3;
  } catch (const octavo::Error& error) {
    if (error.code() != octavo::ErrorCode::kIo) return 4;
  }
  const auto model = octavo::Model::open(argv[1]);
  octavo::Session session(model, {.threads = 1});
  octavo::generate(session, model.tokenize("Once upon a time"), {.max_tokens = 8},
                   {.temperature = 0}, [](const octavo::Token& token) {
                     std::cout << token.text;
                     return true;
                   });
  std::cout << '\n';
}
