// SPDX-License-Identifier: Apache-2.0
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** Speaks a protocol of its own over sockets: java SocketSession.java PORT COUNT. */
final class SocketSession {
  private final Map<Integer, Socket> sessions = new HashMap<>();

  /** The mistake: at the end of the input the session is over, but stays in the map, unclosed. */
  private void talk(int session, int port) throws IOException {
    Socket socket = new Socket("127.0.0.1", port);
    sessions.put(session, socket);
    String request = "GET /unavailable HTTP/1.0\r\n\r\n";
    socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    while (socket.getInputStream().read() >= 0) {}
  }

  public static void main(String[] arguments) throws IOException {
    SocketSession talker = new SocketSession();
    for (int session = 0; session < Integer.parseInt(arguments[1]); ++session) {
      talker.talk(session, Integer.parseInt(arguments[0]));
    }
    System.out.println("ready");
    while (System.in.read() >= 0) {}
  }
}
