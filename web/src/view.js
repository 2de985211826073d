// The scene: the robot's shapes, the ground, and a camera that walks along.

import * as THREE from "three";
import { floats } from "./nets.js";

const TILE = 0.5;

export class View {
  /** @param canvas Where to draw; @param page The page's data. */
  constructor(canvas, page) {
    this.page = page;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
    this.renderer.shadowMap.enabled = true;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(0xdfe8ee);
    this.scene.fog = new THREE.Fog(0xdfe8ee, 6, 16);
    this.camera = new THREE.PerspectiveCamera(42, 1, 0.05, 40);
    this.camera.up.set(0, 0, 1);
    this.target = new THREE.Vector3(0, 0, 0.3);
    this.turn = -2.2; // the camera's direction around the robot, rad
    this.height = 0.55;
    this.distance = 1.9;
    this.addLights();
    this.bodies = new Map();
    for (const shape of page.visuals) this.addShape(shape);
    this.ground = null;
    this.arrow = new THREE.ArrowHelper(new THREE.Vector3(1, 0, 0), new THREE.Vector3(), 0.01, 0xd9480f);
    this.arrow.visible = false;
    this.scene.add(this.arrow);
  }

  addLights() {
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x9aa7b0, 1.6));
    this.sun = new THREE.DirectionalLight(0xffffff, 2.0);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    Object.assign(this.sun.shadow.camera, { left: -1.5, right: 1.5, top: 1.5, bottom: -1.5, near: 0.5, far: 8 });
    this.scene.add(this.sun, this.sun.target);
  }

  addShape({ body, type, size, pos, quat, rgba, vertices, faces }) {
    const geometry = makeGeometry(type, size, vertices, faces);
    const [r, g, b, a] = rgba;
    const colour = new THREE.Color().setRGB(r, g, b, THREE.SRGBColorSpace);
    const material = new THREE.MeshStandardMaterial({ color: colour, roughness: 0.55, transparent: a < 1, opacity: a });
    const mesh = new THREE.Mesh(geometry, material);
    mesh.position.set(...pos);
    mesh.quaternion.set(quat[1], quat[2], quat[3], quat[0]);
    mesh.castShadow = true;
    if (!this.bodies.has(body)) {
      const group = new THREE.Group();
      this.bodies.set(body, group);
      this.scene.add(group);
    }
    this.bodies.get(body).add(mesh);
  }

  /** Draws another ground. */
  setGround(name) {
    if (this.ground) {
      this.scene.remove(this.ground);
      this.ground.geometry.dispose();
    }
    this.ground = new THREE.Mesh(makeGround(this.page.grounds[name]), this.groundMaterial());
    this.ground.receiveShadow = true;
    this.scene.add(this.ground);
  }

  groundMaterial() {
    if (this.tiles) return this.tiles;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 128;
    const context = canvas.getContext("2d");
    for (const [x, y] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      context.fillStyle = (x + y) % 2 ? "#b4c2cc" : "#a3b2bd";
      context.fillRect(64 * x, 64 * y, 64, 64);
    }
    const texture = new THREE.CanvasTexture(canvas);
    texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
    texture.colorSpace = THREE.SRGBColorSpace;
    texture.anisotropy = 8;
    this.tiles = new THREE.MeshStandardMaterial({ map: texture, roughness: 0.95 });
    return this.tiles;
  }

  /** Shows a state of the worker. */
  show({ poses, position }) {
    for (const [body, group] of this.bodies) {
      const [x, y, z, qw, qx, qy, qz] = poses.subarray(7 * body, 7 * body + 7);
      group.position.set(x, y, z);
      group.quaternion.set(qx, qy, qz, qw);
    }
    const jumped = Math.hypot(position[0] - this.target.x, position[1] - this.target.y) > 1;
    this.target.lerp(new THREE.Vector3(position[0], position[1], position[2] - 0.12), jumped ? 1 : 0.12);
  }

  /** Shows a push that is being drawn, a world vector, or none. */
  showPush(vector) {
    this.arrow.visible = Boolean(vector);
    if (!vector) return;
    const direction = new THREE.Vector3(vector[0], vector[1], 0);
    this.arrow.position.copy(this.target).setZ(this.target.z + 0.15);
    this.arrow.setLength(Math.max(0.05, direction.length()), 0.1, 0.06);
    this.arrow.setDirection(direction.normalize());
  }

  /** Returns the world vector of a drag on the screen, pixels right and down, of one unit per robot's height. */
  toWorld(right, down) {
    const scale = 0.006;
    const [c, s] = [Math.cos(this.turn), Math.sin(this.turn)];
    return [scale * (-s * right + c * down), scale * (c * right + s * down)];
  }

  /** Whether a point of the canvas, in pixels, is on the robot. */
  hits(x, y) {
    const box = this.renderer.domElement.getBoundingClientRect();
    const point = new THREE.Vector2((2 * (x - box.left)) / box.width - 1, 1 - (2 * (y - box.top)) / box.height);
    const ray = new THREE.Raycaster();
    ray.setFromCamera(point, this.camera);
    return ray.intersectObjects([...this.bodies.values()], true).length > 0;
  }

  draw() {
    const canvas = this.renderer.domElement;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const ratio = Math.min(window.devicePixelRatio, 2);
    if (canvas.width !== Math.floor(width * ratio) || canvas.height !== Math.floor(height * ratio)) {
      this.renderer.setPixelRatio(ratio);
      this.renderer.setSize(width, height, false);
      this.camera.aspect = width / height;
      this.camera.updateProjectionMatrix();
    }
    // Narrow screens need more distance for the same width of the scene.
    const distance = this.distance * Math.max(1, 0.65 / this.camera.aspect);
    const { x, y, z } = this.target;
    this.camera.position.set(
      x + distance * Math.cos(this.turn),
      y + distance * Math.sin(this.turn),
      z + distance * this.height,
    );
    this.camera.lookAt(x, y, z);
    this.sun.position.set(x - 1.2, y - 1.5, z + 3);
    this.sun.target.position.copy(this.target);
    this.renderer.render(this.scene, this.camera);
  }
}

function makeGeometry(type, size, vertices, faces) {
  const upright = (geometry) => geometry.rotateX(Math.PI / 2); // three.js has its long axes along y, MuJoCo along z
  switch (type) {
    case "sphere":
      return new THREE.SphereGeometry(size[0], 24, 16);
    case "capsule":
      return upright(new THREE.CapsuleGeometry(size[0], 2 * size[1], 8, 20));
    case "cylinder":
      return upright(new THREE.CylinderGeometry(size[0], size[0], 2 * size[1], 28));
    case "ellipsoid":
      return new THREE.SphereGeometry(1, 24, 16).scale(...size);
    case "box":
      return new THREE.BoxGeometry(2 * size[0], 2 * size[1], 2 * size[2]);
    default: {
      const geometry = new THREE.BufferGeometry();
      geometry.setAttribute("position", new THREE.BufferAttribute(floats(vertices), 3));
      geometry.setIndex(Array.from(floats(faces)));
      geometry.computeVertexNormals();
      return geometry;
    }
  }
}

function makeGround(ground) {
  if (!ground.heights) {
    const plane = new THREE.PlaneGeometry(60, 60);
    const uv = plane.attributes.uv;
    for (let i = 0; i < uv.count; i++) uv.setXY(i, (uv.getX(i) * 60) / (2 * TILE), (uv.getY(i) * 60) / (2 * TILE));
    return plane;
  }
  const heights = floats(ground.heights);
  const { rows, columns, scale, origin } = ground;
  const positions = new Float32Array(3 * rows * columns);
  const uvs = new Float32Array(2 * rows * columns);
  const index = [];
  for (let ix = 0; ix < columns; ix++)
    for (let iy = 0; iy < rows; iy++) {
      const at = ix * rows + iy;
      const [x, y] = [origin[0] + ix * scale, origin[1] + iy * scale];
      positions.set([x, y, heights[at]], 3 * at);
      uvs.set([x / (2 * TILE), y / (2 * TILE)], 2 * at);
      if (ix < columns - 1 && iy < rows - 1) index.push(at, at + rows, at + 1, at + 1, at + rows, at + rows + 1);
    }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
  geometry.setAttribute("uv", new THREE.BufferAttribute(uvs, 2));
  geometry.setIndex(index);
  geometry.computeVertexNormals();
  return geometry;
}
